"""Writes a finished simulation as history files: Parquet, the same bytes for the same seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.history.company.design import Company
from pipelines.history.company.event_ids import event_ids
from pipelines.history.company.journal import (
    EVENT_COLUMNS,
    NONE,
    TASK_COLUMNS,
    TRANSITIONS,
    WORKFLOW_COLUMNS,
    Journal,
)
from pipelines.history.company.work import PRIORITIES
from pipelines.history.schema import REJECTED_ROWS, TASK_EVENTS, TASKS, TIMESTAMP, WORKFLOWS

_BATCH_ROWS: Final = 250_000


class HistoryWriter:
    """Turns the journal's codes and seconds into the columns of `history.schema`."""

    def __init__(self, journal: Journal, company: Company, seed: int, end: int) -> None:
        self._journal = journal
        self._seed = seed
        self._end = end  # nothing is known after the last simulated moment
        self._epoch_us = int(company.instant(0).timestamp()) * 1_000_000
        self._person_ids = _texts([person.person_id for person in company.people])
        self._team_ids = _texts([team.team_id for team in company.teams])
        self._client_ids = _texts([client.client_id for client in company.clients])
        self._template_ids = _texts([template.template_id for template in company.templates])
        self._activities = _texts(list(journal.activities))
        self._events = dict(zip(EVENT_COLUMNS, journal.events.T, strict=True))
        self._tasks = dict(zip(TASK_COLUMNS, journal.tasks.T, strict=True))
        self._workflows = dict(zip(WORKFLOW_COLUMNS, journal.workflows.T, strict=True))
        self._task_ids = _numbered("T", journal.task_count)
        self._workflow_ids = _numbered("W", journal.workflow_count)

    def write_events(self, path: Path) -> int:
        """Write `task_events` in order of time; return the number of rows."""
        attributes = _texts(list(self._journal.attributes))
        transitions = _texts(list(TRANSITIONS))
        count = len(self._events["task"])
        with pq.ParquetWriter(path, TASK_EVENTS, compression="zstd") as writer:
            for begin in range(0, count, _BATCH_ROWS):
                rows = {n: one[begin : begin + _BATCH_ROWS] for n, one in self._events.items()}
                task = rows["task"]
                sequence = np.arange(begin, begin + len(task), dtype=np.int64)
                columns = [
                    event_ids(self._seed, sequence),
                    _pick(self._workflow_ids, self._tasks["workflow"][task]),
                    _pick(self._task_ids, task),
                    pa.array(sequence),
                    _pick(self._activities, self._tasks["activity"][task]),
                    _pick(transitions, rows["transition"]),
                    _pick(self._person_ids, rows["person"]),
                    _pick(self._team_ids, self._tasks["team"][task]),
                    self._moments(rows["occurred_at"]),
                    self._moments(np.minimum(rows["recorded_at"], self._end)),
                    _pick(attributes, rows["attributes"]),
                ]
                writer.write_batch(pa.record_batch(columns, schema=TASK_EVENTS))
        return count

    def write_tasks(self, path: Path) -> None:
        """Write `tasks` in order of creation."""
        rows = self._tasks
        columns = [
            self._task_ids,
            _pick(self._workflow_ids, rows["workflow"]),
            _pick(self._activities, rows["activity"]),
            _pick(self._person_ids, rows["person"]),
            _pick(self._team_ids, rows["team"]),
            self._moments(rows["created"]),
            self._moments(rows["started"]),
            self._moments(rows["completed"]),
            self._moments(rows["cancelled"]),
            self._moments(rows["due_at"]),
        ]
        _write(pa.Table.from_arrays(columns, schema=TASKS), path)

    def write_workflows(self, path: Path) -> None:
        """Write `workflows` in order of opening; those still open have no closing."""
        rows = self._workflows
        columns = [
            self._workflow_ids,
            _pick(self._template_ids, rows["template"]),
            _pick(self._client_ids, rows["client"]),
            _pick(_texts(PRIORITIES), rows["rank"]),
            self._moments(rows["opened_at"]),
            self._moments(rows["due_at"]),
            self._moments(rows["closed_at"]),
            _texts(self._journal.outcomes),
            pa.nulls(self._journal.workflow_count, pa.bool_()),  # the due date tells
            _texts(self._journal.workflow_attributes),
            self._moments(np.minimum(rows["recorded_at"], self._end)),
            self._moments(np.minimum(rows["closure_recorded_at"], self._end)),
        ]
        _write(pa.Table.from_arrays(columns, schema=WORKFLOWS), path)

    def _moments(self, seconds: NDArray[np.int64]) -> pa.Array:
        micros = seconds * 1_000_000 + self._epoch_us
        return pa.array(micros, pa.int64(), mask=seconds == NONE).cast(TIMESTAMP)


def write_rejected_rows(path: Path) -> None:
    """Write the empty table of refused rows: a simulation has none."""
    _write(REJECTED_ROWS.empty_table(), path)


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", row_group_size=_BATCH_ROWS)


def _texts(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def _pick(texts: pa.Array, codes: NDArray[np.int64]) -> pa.Array:
    return texts.take(pa.array(codes, mask=codes == NONE))


def _numbered(letter: str, count: int) -> pa.Array:
    """Return ids such as T-0000001, in order."""
    numbers = pc.utf8_lpad(pa.array(np.arange(1, count + 1)).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(letter, numbers, "-")
