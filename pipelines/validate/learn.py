"""Learn from a reference period what a view's columns look like."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FEATURES_FOLDER
from pipelines.errors import ValidationFailedError
from pipelines.extract.lake import list_partitions, read_partition
from pipelines.validate.learned import Kind, LearnedExpectation, LearnedView

# Fewer rows say nothing about what is usual.
FEWEST_ROWS: Final = 200
# A text column with more values is no category.
MOST_CATEGORIES: Final = 50
_JSON: Final = ("_attributes", "_counts")
_TOLERANCES: Final = {
    Kind.RANGE: 0.25,
    Kind.MEDIAN: 0.5,
    Kind.NULL_SHARE: 0.05,
    Kind.CATEGORIES: 0.01,
}


def learn_expectations(
    lake: str, view: str, nullable: Mapping[str, bool], start: datetime, until: datetime
) -> LearnedView:
    """Observe a view's rows of a period and propose expectations, none of them reviewed.

    Numbers get a range and a median, text columns of few values their categories, columns that
    may be null the share of nulls. Times have no usual range, and attributes are JSON.

    Args:
        lake: root of the lake.
        view: the feature view.
        nullable: its features, and whether each may be null.
        start: rows have event times from here on.
        until: rows have event times before it and were known before it.

    Raises:
        ValidationFailedError: the period is empty, or has too few rows to learn from.
    """
    if start >= until:
        raise ValidationFailedError(f"From {start} until {until} is no period: it ends before.")
    rows = _rows(lake, view, list(nullable), start, until)
    if rows is None or rows.num_rows < FEWEST_ROWS:
        count = 0 if rows is None else rows.num_rows
        raise ValidationFailedError(
            f"The view {view} has {count} rows from {start} until {until}; at least "
            f"{FEWEST_ROWS} are needed to say what is usual. Choose a longer period."
        )
    found = [
        one
        for name, may_be_null in nullable.items()
        for one in _of_column(name, rows.column(name), may_be_null=may_be_null)
    ]
    return LearnedView(view, start, until, rows.num_rows, tuple(found))


def _rows(
    lake: str, view: str, names: list[str], start: datetime, until: datetime
) -> pa.Table | None:
    folder = f"{FEATURES_FOLDER}/{view}"
    kept = []
    for partition in list_partitions(lake, folder):
        if partition >= until:
            continue
        rows = read_partition(lake, folder, partition)
        event, created = rows.column(EVENT_TIMESTAMP), rows.column(CREATED_TIMESTAMP)
        first, last = (pa.scalar(moment, event.type) for moment in (start, until))
        inside = pc.and_(pc.greater_equal(event, first), pc.less(event, last))
        kept.append(rows.filter(pc.and_(inside, pc.less(created, last))).select(names))
    return pa.concat_tables(kept) if kept else None


def _of_column(
    name: str, values: pa.ChunkedArray, *, may_be_null: bool
) -> Iterator[LearnedExpectation]:
    present = values.drop_null()
    if may_be_null:
        share = 1 - len(present) / len(values)
        yield _proposed(name, Kind.NULL_SHARE, (round(share, 6),))
    if not len(present) or name.endswith(_JSON):
        return
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        lowest, low, middle, high, highest = (
            round(float(q), 6)
            for q in pc.quantile(present, [0.001, 0.25, 0.5, 0.75, 0.999]).to_pylist()
        )
        yield _proposed(name, Kind.RANGE, (lowest, highest))
        yield _proposed(name, Kind.MEDIAN, (middle, low, high))
    elif pa.types.is_string(values.type):
        distinct = pc.unique(present)
        if len(distinct) <= MOST_CATEGORIES:
            yield _proposed(name, Kind.CATEGORIES, tuple(sorted(distinct.to_pylist())))


def _proposed(column: str, kind: Kind, observed: tuple[Any, ...]) -> LearnedExpectation:
    return LearnedExpectation(column, kind, observed, _TOLERANCES[kind])
