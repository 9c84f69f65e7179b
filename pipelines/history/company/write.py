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
from pipelines.history.company.journal import NONE, TRANSITIONS, Journal
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
        self._task_ids = _numbered("T", len(journal.task_workflow))
        self._workflow_ids = _numbered("W", len(journal.workflow_template))
        self._task_workflow = np.frombuffer(journal.task_workflow, np.int32)
        self._task_activity = np.frombuffer(journal.task_activity, np.int32)
        self._task_team = np.frombuffer(journal.task_team, np.int32)

    def write_events(self, path: Path) -> int:
        """Write `task_events` in order of time; return the number of rows."""
        journal = self._journal
        task_of = np.frombuffer(journal.event_task, np.int32)
        transition = np.frombuffer(journal.event_transition, np.int8)
        person = np.frombuffer(journal.event_person, np.int32)
        occurred_at = np.frombuffer(journal.event_occurred_at, np.int64)
        recorded_at = np.minimum(np.frombuffer(journal.event_recorded_at, np.int64), self._end)
        attribute = np.frombuffer(journal.event_attributes, np.int32)
        attributes, transitions = _texts(list(journal.attributes)), _texts(list(TRANSITIONS))
        count = len(task_of)
        with pq.ParquetWriter(path, TASK_EVENTS, compression="zstd") as writer:
            for begin in range(0, count, _BATCH_ROWS):
                rows = slice(begin, begin + _BATCH_ROWS)
                task = task_of[rows]
                sequence = np.arange(begin, begin + len(task), dtype=np.int64)
                batch = [
                    event_ids(self._seed, sequence),
                    self._workflow_ids.take(pa.array(self._task_workflow[task])),
                    self._task_ids.take(pa.array(task)),
                    pa.array(sequence),
                    self._activities.take(pa.array(self._task_activity[task])),
                    transitions.take(pa.array(transition[rows])),
                    self._person_ids.take(_codes(person[rows])),
                    self._team_ids.take(pa.array(self._task_team[task])),
                    self._moments(occurred_at[rows]),
                    self._moments(recorded_at[rows]),
                    attributes.take(pa.array(attribute[rows])),
                ]
                writer.write_batch(pa.record_batch(batch, schema=TASK_EVENTS))
        return count

    def write_tasks(self, path: Path) -> None:
        """Write `tasks` in order of creation."""
        journal = self._journal
        times = {name: np.frombuffer(one, np.int64) for name, one in journal.task_times.items()}
        columns = [
            self._task_ids,
            self._workflow_ids.take(pa.array(self._task_workflow)),
            self._activities.take(pa.array(self._task_activity)),
            self._person_ids.take(_codes(np.frombuffer(journal.task_person, np.int32))),
            self._team_ids.take(pa.array(self._task_team)),
            self._moments(times["created"]),
            self._moments(times["started"]),
            self._moments(times["completed"]),
            self._moments(times["cancelled"]),
            self._moments(np.frombuffer(journal.task_due_at, np.int64)),
        ]
        _write(pa.Table.from_arrays(columns, schema=TASKS), path)

    def write_workflows(self, path: Path) -> None:
        """Write `workflows` in order of opening; those still open have no closing."""
        journal = self._journal
        known_at = np.frombuffer(journal.workflow_closure_recorded_at, np.int64)
        recorded_at = np.frombuffer(journal.workflow_recorded_at, np.int64)
        ranks = np.frombuffer(journal.workflow_rank, np.int8)
        columns = [
            self._workflow_ids,
            self._template_ids.take(pa.array(np.frombuffer(journal.workflow_template, np.int32))),
            self._client_ids.take(pa.array(np.frombuffer(journal.workflow_client, np.int32))),
            _texts(PRIORITIES).take(pa.array(ranks)),
            self._moments(np.frombuffer(journal.workflow_opened_at, np.int64)),
            self._moments(np.frombuffer(journal.workflow_due_at, np.int64)),
            self._moments(np.frombuffer(journal.workflow_closed_at, np.int64)),
            _texts(journal.workflow_outcome),
            pa.nulls(len(ranks), pa.bool_()),  # the due date tells
            _texts(journal.workflow_attributes),
            self._moments(np.minimum(recorded_at, self._end)),
            self._moments(np.minimum(known_at, self._end)),
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


def _codes(codes: NDArray[np.int32]) -> pa.Array:
    return pa.array(codes, mask=codes == NONE)


def _numbered(letter: str, count: int) -> pa.Array:
    """Return ids such as T-0000001, in order."""
    numbers = pc.utf8_lpad(pa.array(np.arange(1, count + 1)).cast(pa.string()), 7, "0")
    return pc.binary_join_element_wise(letter, numbers, "-")
