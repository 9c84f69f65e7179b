"""Tasks and workflows as the source database has them now, for questions that name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.source.tables import (
    people,
    person_skills,
    task_events,
    tasks,
    template_tasks,
    workflows,
)
from serving.people import Person
from serving.problems import HistoryAwayError


@dataclass(frozen=True)
class Task:
    """One task; None where something is not known (yet)."""

    task_id: str
    workflow_id: str
    activity: str
    person_id: str | None
    team_id: str | None
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    due_at: datetime | None


class SourceHistory:
    """Read by id; a database that is away is said at once."""

    def __init__(self, engine: Engine) -> None:
        # Each question is one statement: a transaction around it would be two round trips more.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def tasks(self, task_ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks there are, by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        columns = [tasks.c[name] for name in Task.__dataclass_fields__]
        rows = self._rows(select(*columns).where(tasks.c.task_id.in_(task_ids)))
        return {row["task_id"]: Task(**row) for row in rows}

    def people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """Return the people there are, by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        names = ("person_id", "team_id", "time_zone", "working_hours")
        rows = self._rows(
            select(*(people.c[name] for name in names)).where(people.c.person_id.in_(person_ids))
        )
        skills: dict[str, set[str]] = {row["person_id"]: set() for row in rows}
        having = select(person_skills).where(person_skills.c.person_id.in_(list(skills)))
        for row in self._rows(having):
            skills[row["person_id"]].add(row["skill_id"])
        return {row["person_id"]: Person(**row, skills=skills[row["person_id"]]) for row in rows}

    def required_skills(self, task_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return what the templates of tasks ask for, of those that ask for anything.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        statement = (
            select(tasks.c.task_id, template_tasks.c.skill_id)
            .join(workflows, workflows.c.workflow_id == tasks.c.workflow_id)
            .join(
                template_tasks,
                (template_tasks.c.template_id == workflows.c.template_id)
                & (template_tasks.c.activity == tasks.c.activity),
            )
            .where(tasks.c.task_id.in_(task_ids), template_tasks.c.skill_id.is_not(None))
        )
        return {row["task_id"]: {row["skill_id"]} for row in self._rows(statement)}

    def skilled(self, skills: Sequence[str]) -> set[str]:
        """Return the people who have all these skills.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        wanted = set(skills)
        having = (
            select(person_skills.c.person_id)
            .where(person_skills.c.skill_id.in_(wanted))
            .group_by(person_skills.c.person_id)
            .having(func.count() == len(wanted))
        )
        return {row["person_id"] for row in self._rows(having)}

    def events(self, workflow_id: str, as_of: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return a workflow's events recorded before `as_of`, and itself, as the lake has them.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        of_events = select(task_events).where(
            task_events.c.workflow_id == workflow_id, task_events.c.recorded_at < as_of
        )
        of_workflow = select(workflows).where(workflows.c.workflow_id == workflow_id)
        return (
            pd.DataFrame(self._rows(of_events), columns=task_events.c.keys()),
            pd.DataFrame(self._rows(of_workflow), columns=workflows.c.keys()),
        )

    def _rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(statement).mappings()]
        except SQLAlchemyError as err:
            raise HistoryAwayError(
                "The source database cannot be asked about tasks just now; ask again in a few "
                "seconds, or by workflow id."
            ) from err
