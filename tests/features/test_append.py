"""Older and new rows of a partition come in order, however late the new ones are."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from pipelines.extract.lake import replace_partition
from pipelines.features import append
from pipelines.features.append import merged, rows_before
from pipelines.features.write import Dataset, Piece
from pipelines.history.schema import TIMESTAMP
from tests.features.tables import at

START, NEXT = at(0), at(31)
ORDER = ("happened_at", "name")
SCHEMA = pa.schema([pa.field("happened_at", TIMESTAMP), pa.field("name", pa.string())])
Row = tuple[datetime, str]


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else ([], [])
    return pa.record_batch(
        [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _merged(
    older: list[list[Row]], new: list[tuple[datetime, list[Row]]]
) -> dict[datetime, list[Row]]:
    pieces: Iterator[Piece] = iter([(start, _batch(rows)) for start, rows in new])
    found: dict[datetime, list[Row]] = {}
    for start, rows in merged(map(_batch, older), pieces, START, ORDER):
        assert not found or start >= max(found)
        found.setdefault(start, []).extend(tuple(row.values()) for row in rows.to_pylist())  # type: ignore[misc]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_every_row_comes_in_order(seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - a test's dice

    def some(first: int, last: int) -> list[Row]:
        count = dice.randrange(6)
        return sorted((at(dice.randrange(first, last)), dice.choice("abc")) for _ in range(count))

    every = some(0, 20) + some(0, 20)
    older = sorted(every)
    cut = dice.randrange(len(older) + 1)
    # Mostly later than the older rows, sometimes among them.
    new, later = some(dice.choice([0, 15, 21]), 31), some(31, 50)
    pieces = [(START, new[:2]), (START, new[2:]), (NEXT, later)]
    found = _merged([older[:cut], older[cut:]], [piece for piece in pieces if piece[1]])
    assert found.get(START, []) == sorted(older + new)
    assert found.get(NEXT, []) == later


def test_rows_after_all_older_ones_are_not_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append.pa, "Table", None)
    older = [(at(1), "a"), (at(2), "b")]
    assert _merged([older], [(START, [(at(2), "c")])]) == {START: [*older, (at(2), "c")]}
    with pytest.raises(AttributeError):
        _merged([older], [(START, [(at(2), "a")])])


def test_rows_before_a_moment_are_read(tmp_path: Path) -> None:
    dataset = Dataset("view", "features/view", SCHEMA, ORDER, "happened_at")
    lake = str(tmp_path)
    assert not list(rows_before(lake, dataset, START, at(9)))
    rows = pa.Table.from_batches([_batch([(at(1), "a"), (at(2), "b"), (at(9), "c")])])
    replace_partition(lake, dataset.folder, START, rows)
    (batch,) = rows_before(lake, dataset, START, at(9))
    assert batch["name"].to_pylist() == ["a", "b"]
    assert not list(rows_before(lake, dataset, NEXT, at(9)))
    assert not list(rows_before(lake, dataset, START, at(1)))
