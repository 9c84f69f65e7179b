"""Tasks and workflows as the source database has them now, for questions that name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Select, Text, any_, bindparam, cast, func, select

from pipelines.source.tables import (
    people,
    person_skills,
    task_events,
    tasks,
    template_tasks,
    workflows,
)
from serving.people import Person
from serving.source_reads import SourceReads


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


_IDS: Final = "ids"
_AS_OF: Final = "as_of"
# Written once. One array is one parameter, so that any number of ids is the same statement, which
# PostgreSQL has prepared after some questions.
_ANY: Final = any_(bindparam(_IDS, type_=ARRAY(Text)))
_TASKS: Final = select(*(tasks.c[name] for name in Task.__dataclass_fields__)).where(
    tasks.c.task_id == _ANY
)
_SKILLS: Final = (
    select(person_skills.c.skill_id)
    .where(person_skills.c.person_id == people.c.person_id)
    .scalar_subquery()
)
_PEOPLE: Final = select(
    *(people.c[name] for name in ("person_id", "team_id", "time_zone", "working_hours")),
    func.array(_SKILLS, type_=ARRAY(Text)).label("skills"),
).where(people.c.person_id == _ANY)
_SKILL: Final = "skill_id"
_WITH_SKILLS: Final = (
    _TASKS.add_columns(template_tasks.c[_SKILL])
    .join(workflows, workflows.c.workflow_id == tasks.c.workflow_id)
    .outerjoin(
        template_tasks,
        (template_tasks.c.template_id == workflows.c.template_id)
        & (template_tasks.c.activity == tasks.c.activity),
    )
)
# What `events` gives, beside the attributes of both and the closing.
EVENT_COLUMNS: Final = (
    *("workflow_id", "task_id", "activity", "team_id", "person_id"),
    *("occurred_at", "recorded_at", "sequence"),
)
WORKFLOW_COLUMNS: Final = ("template_id", "client_id", "priority")
_EVENTS: Final = (
    select(
        *(task_events.c[name] for name in EVENT_COLUMNS),
        # Most are not looked at: only who does parses them.
        cast(task_events.c.attributes, Text).label("attributes"),
        *(workflows.c[name] for name in WORKFLOW_COLUMNS),
        cast(workflows.c.attributes, Text).label("workflow_attributes"),
        workflows.c.closure_recorded_at,
    )
    .join(workflows, workflows.c.workflow_id == task_events.c.workflow_id)
    .where(task_events.c.workflow_id == _ANY, task_events.c.recorded_at < bindparam(_AS_OF))
)


class SourceHistory:
    """Read by id, each question in one statement; a database that is away is said at once."""

    def __init__(self, reads: SourceReads) -> None:
        self._reads = reads

    def tasks(self, task_ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks there are, by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        return {row["task_id"]: Task(**row) for row in self._by_id(_TASKS, task_ids)}

    def with_skills(
        self, task_ids: Sequence[str]
    ) -> tuple[dict[str, Task], dict[str, frozenset[str]]]:
        """Return the tasks there are and the skills that their templates ask for, both by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        rows = self._by_id(_WITH_SKILLS, task_ids)
        skills = {row["task_id"]: frozenset({row.pop(_SKILL)} - {None}) for row in rows}
        return {row["task_id"]: Task(**row) for row in rows}, skills

    def people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """Return the people there are, by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        return {
            row["person_id"]: Person(**{**row, "skills": set(row["skills"])})
            for row in self._by_id(_PEOPLE, person_ids)
        }

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
        return {row["person_id"] for row in self._reads.rows(having, {})}

    def events(
        self, workflow_ids: Sequence[str], as_of: datetime
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the events of workflows recorded before `as_of`, in no order, by workflow id.

        Each has the columns that `task_sequence_of` reads, attributes as JSON texts, and the
        workflow's closure_recorded_at, which may lie behind `as_of`. A workflow without events is
        left out.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        events: dict[str, list[dict[str, Any]]] = {}
        for row in self._reads.rows(_EVENTS, {_IDS: list(workflow_ids), _AS_OF: as_of}):
            events.setdefault(row["workflow_id"], []).append(row)
        return events

    def _by_id(self, statement: Select[Any], ids: Sequence[str]) -> list[dict[str, Any]]:
        return self._reads.rows(statement, {_IDS: list(ids)})
