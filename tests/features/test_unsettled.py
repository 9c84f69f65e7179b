"""Kept unsettled workflows are those of one moment."""

from pathlib import Path

import pyarrow as pa

from pipelines.features.unsettled import read_unsettled, write_unsettled
from tests.features.tables import at


def test_only_those_of_the_moment_are_read(tmp_path: Path) -> None:
    lake = str(tmp_path)
    assert read_unsettled(lake, at(1)) is None
    write_unsettled(lake, at(1), pa.table({"workflow_id": ["b", "a"]}))
    kept = read_unsettled(lake, at(1))
    assert kept is not None
    assert kept["workflow_id"].to_pylist() == ["a", "b"]
    assert read_unsettled(lake, at(2)) is None


def test_damaged_file_is_none(tmp_path: Path) -> None:
    write_unsettled(str(tmp_path), at(1), pa.table({"workflow_id": ["a"]}))
    (path,) = tmp_path.rglob("unsettled.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    assert read_unsettled(str(tmp_path), at(1)) is None
