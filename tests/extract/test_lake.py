"""A partition is replaced whole, and the same rows give the same bytes."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import fsspec
import pyarrow as pa
import pytest

from pipelines.errors import ExtractError
from pipelines.extract.lake import (
    list_partitions,
    partition_path,
    read_partition,
    remove_partition,
    replace_partition,
    writing_partition,
)
from pipelines.extract.parquet import GROUP_ROWS

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
TABLE = "history/task_events"


def rows(*values: int) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.int64())})


@pytest.fixture(params=["local", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"memory://{uuid4().hex}"


def test_path(tmp_path: Path) -> None:
    assert partition_path(f"{tmp_path}/", TABLE, JANUARY) == (
        f"{tmp_path}/history/task_events/interval=2024-01-01/part.parquet"
    )


def test_replaced_listed_read_and_removed(lake: str) -> None:
    assert list_partitions(lake, TABLE) == []
    replace_partition(lake, TABLE, FEBRUARY, rows(1))
    replace_partition(lake, TABLE, JANUARY, rows(1, 2))
    replace_partition(lake, TABLE, JANUARY, rows(3))
    assert list_partitions(lake, TABLE) == [JANUARY, FEBRUARY]
    assert read_partition(lake, TABLE, JANUARY).equals(rows(3))
    remove_partition(lake, TABLE, JANUARY)
    remove_partition(lake, TABLE, JANUARY)
    replace_partition(lake, TABLE, FEBRUARY, rows())
    assert list_partitions(lake, TABLE) == []


def test_a_missing_partition_is_named(lake: str) -> None:
    with pytest.raises(ExtractError, match=r"interval=2024-01-01/part\.parquet"):
        read_partition(lake, TABLE, JANUARY)


def test_a_damaged_partition_is_named(tmp_path: Path) -> None:
    replace_partition(str(tmp_path), TABLE, JANUARY, rows(1))
    Path(partition_path(str(tmp_path), TABLE, JANUARY)).write_bytes(b"PAR1 no more")
    with pytest.raises(ExtractError, match="damaged"):
        read_partition(str(tmp_path), TABLE, JANUARY)


def test_a_write_that_fails_leaves_the_old_partition_alone(lake: str) -> None:
    replace_partition(lake, TABLE, JANUARY, rows(1))
    with pytest.raises(RuntimeError, match="disk full"):
        _fail_in_the_middle(lake)
    assert read_partition(lake, TABLE, JANUARY).equals(rows(1))
    fs, root = fsspec.core.url_to_fs(lake)
    assert [path.rsplit("/", 1)[1] for path in fs.find(root)] == ["part.parquet"]


def _fail_in_the_middle(lake: str) -> None:
    with writing_partition(lake, TABLE, JANUARY, rows().schema) as writer:
        writer.write(rows(2))
        raise RuntimeError("disk full")


@pytest.mark.parametrize("piece", [1_000, GROUP_ROWS - 1, GROUP_ROWS, 3 * GROUP_ROWS + 5])
def test_bytes_do_not_depend_on_how_the_rows_arrive(tmp_path: Path, piece: int) -> None:
    table = pa.table({"text": [f"row {i % 1_000}" for i in range(2 * GROUP_ROWS + 7)]})
    replace_partition(str(tmp_path), TABLE, JANUARY, table)
    with writing_partition(str(tmp_path), TABLE, FEBRUARY, table.schema) as writer:
        for first in range(0, table.num_rows, piece):
            writer.write(table.slice(first, piece))
        assert writer.row_count == table.num_rows
    january, february = (
        Path(partition_path(str(tmp_path), TABLE, start)).read_bytes()
        for start in (JANUARY, FEBRUARY)
    )
    assert january == february
