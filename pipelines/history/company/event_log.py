"""Writes a simulated history as one flat event log, to look at or to import again."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipelines.history.schema import HistoryFiles

_BATCH_ROWS: Final = 100_000
_WORKFLOW_ATTRIBUTES: Final = ("region", "product", "amount", "channel", "segment")
_TASK_ATTRIBUTES: Final = ("complexity", "document_count", "review_result", "suspension_reason")
_WORKFLOW_COLUMNS: Final = {
    "template_id": "template",
    "client_id": "client",
    "priority": "priority",
    "due_at": "workflow_due_at",
    "outcome": "outcome",
}
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def write_event_log(files: HistoryFiles, path: Path) -> int:
    """Write all events in order to a CSV file, gzipped where `path` ends in `.gz`.

    `mappings/company.toml` says what the columns mean. Times are UTC to the second. Returns
    the number of rows; the same history gives the same bytes.
    """
    workflows = _workflow_columns(pq.read_table(files.workflows))
    tasks = pq.read_table(files.tasks, columns=["task_id", "due_at"])
    row_count = 0
    with _open(path) as file:
        writer: pacsv.CSVWriter | None = None
        for batch in pq.ParquetFile(files.task_events).iter_batches(_BATCH_ROWS):
            table = _flatten(pa.Table.from_batches([batch]), workflows, tasks)
            if writer is None:
                writer = pacsv.CSVWriter(file, table.schema)
            writer.write_table(table)
            row_count += table.num_rows
        if writer is not None:
            writer.close()
    return row_count


def _flatten(events: pa.Table, workflows: pa.Table, tasks: pa.Table) -> pa.Table:
    """Put a batch of events side by side with what is known of their workflows and tasks."""
    workflow = pc.index_in(events["workflow_id"], value_set=workflows["workflow_id"])
    task = pc.index_in(events["task_id"], value_set=tasks["task_id"])
    columns = {
        "workflow": events["workflow_id"],
        "task": events["task_id"],
        "activity": events["activity"],
        "transition": events["transition"],
        "person": events["person_id"],
        "team": events["team_id"],
        "occurred_at": _time_texts(events["occurred_at"]),
        "recorded_at": _time_texts(events["recorded_at"]),
        "task_due_at": _time_texts(tasks["due_at"].take(task)),
        **_expand(events["attributes"], _TASK_ATTRIBUTES),
    }
    for name in workflows.column_names[1:]:
        columns[name] = workflows[name].take(workflow)
    return pa.table(columns)


def _workflow_columns(workflows: pa.Table) -> pa.Table:
    columns = {"workflow_id": workflows["workflow_id"]}
    for name, column in _WORKFLOW_COLUMNS.items():
        values = workflows[name]
        columns[column] = _time_texts(values) if name == "due_at" else values
    return pa.table({**columns, **_expand(workflows["attributes"], _WORKFLOW_ATTRIBUTES)})


def _expand(documents: pa.ChunkedArray, names: tuple[str, ...]) -> dict[str, pa.Array]:
    """Turn JSON documents into one text column per name; each distinct one is parsed once."""
    encoded = documents.combine_chunks().dictionary_encode()
    parsed = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    return {
        name: pa.array(
            [None if name not in one else str(one[name]) for one in parsed], pa.string()
        ).take(encoded.indices)
        for name in names
    }


def _time_texts(times: pa.ChunkedArray) -> pa.ChunkedArray:
    # Without fractions: simulated moments are whole seconds.
    return pc.strftime(times.cast(pa.timestamp("s", tz="UTC")), format=_TIME_FORMAT)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix == ".gz":
            # No name and no time in the header: the same log has the same bytes.
            with gzip.GzipFile("", "wb", 5, file, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield file
