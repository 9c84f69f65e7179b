"""Read a log file into a complete history: stream, check, derive."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.errors import LogFormatError
from pipelines.history.csv_log import CsvLog
from pipelines.history.decoding import looks_like_xml
from pipelines.history.derive import derive_history
from pipelines.history.log_file import LogFile, Progress
from pipelines.history.log_rows import shape_rows
from pipelines.history.mapping import Mapping
from pipelines.history.raw_rows import RawChunk
from pipelines.history.rejections import RejectedRowsWriter
from pipelines.history.schema import LOG_ROWS, HistoryFiles
from pipelines.history.xes_log import XesLog


def read_log(
    path: Path,
    mapping: Mapping,
    scratch: Path,
    now: datetime,
    progress: Progress | None = None,
) -> HistoryFiles:
    """Read a CSV or XES log, plain or gzip, and derive its events, tasks and workflows.

    Rows that cannot be right are refused one by one and told in `rejected_rows`; a file
    that ends early or is damaged keeps what came before, with one refusal for the damage.

    Args:
        path: the log.
        mapping: what its columns mean.
        scratch: folder for the Parquet files; made where it is missing.
        now: the present, aware of its zone; times more than a day after it are impossible.
        progress: called with the bytes read so far and the file's size.

    Raises:
        LogFormatError: the file is empty, no log, or not of the mapping's format.
        MappingError: the file lacks a column that the mapping needs.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    rows_path, refused_path = scratch / "log_rows.parquet", scratch / "refused_rows.parquet"
    read_count = 0
    with (
        pq.ParquetWriter(rows_path, LOG_ROWS) as rows,
        RejectedRowsWriter(refused_path) as refused,
    ):
        for chunk in _chunks(path, mapping, progress):
            table, rejected = shape_rows(chunk, mapping, now)
            read_count += len(chunk.row_numbers) + len(chunk.rejected)
            if table.num_rows:
                rows.write_table(table)
            refused.write(rejected)
    if not read_count:
        raise LogFormatError(f"Log {path} has no rows; give a file with at least one event.")
    return derive_history(rows_path, refused_path, mapping, scratch, read_count)


def _chunks(path: Path, mapping: Mapping, progress: Progress | None) -> Iterator[RawChunk]:
    is_xml = looks_like_xml(next(LogFile(path).blocks(), b""))
    if is_xml != (mapping.format == "xes"):
        found = "XML" if is_xml else "no XML"
        raise LogFormatError(
            f"Log {path} is {found}, but mapping {mapping.name!r} is for {mapping.format} files; "
            "give a mapping of the file's format."
        )
    file = LogFile(path, progress)
    if is_xml:
        return XesLog(file, mapping.reading.encoding).chunks(mapping)
    return CsvLog(file, mapping.reading).chunks(mapping)
