"""Tasks and workflows as the source database has them now, for questions that name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Select, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.source.tables import task_events, tasks, workflows
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
        self._engine = engine

    def tasks(self, task_ids: Sequence[str]) -> dict[str, Task]:
        """Return the tasks there are, by id.

        Raises:
            HistoryAwayError: the database does not answer.
        """
        columns = [tasks.c[name] for name in Task.__dataclass_fields__]
        rows = self._rows(select(*columns).where(tasks.c.task_id.in_(task_ids)))
        return {row["task_id"]: Task(**row) for row in rows}

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
