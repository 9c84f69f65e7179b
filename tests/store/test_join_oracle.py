"""Several views at once against the oracle: every plan, unit and kind of row at random.

Times lie on a grid of a few ticks, so that ties, late rows and the very edges of time-to-live
are frequent; a tick is a second, so that every unit can hold it.
"""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store import view_rows
from pipelines.store.join import JoinedView, point_in_time_join
from pipelines.store.scan import duckdb_session
from tests.store.oracle import Row, value_seen

# Shortly before clocks change in Europe and in New York.
START = datetime(2024, 3, 9, 23, 59, 55, tzinfo=UTC)
TICK = timedelta(seconds=1)
PLANS = {"look rows up": 0.0, "sort rows": math.inf, "chosen": 16.0}
ENTITY_TIMES = [
    pa.timestamp("s"),
    pa.timestamp("ms", "UTC"),
    pa.timestamp("us", "America/New_York"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "Europe/Rome"),
]
FEATURE_TIMES = [
    pa.timestamp("us", "UTC"),
    pa.timestamp("us"),
    pa.timestamp("ms", "UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
]

# Few values, for many meetings; nulls are rare, for they hide everything else.
ticks = st.sampled_from([*range(8), *range(8), None])
people = st.sampled_from(["a", "a", "a", "b", "b", None])
activities = st.sampled_from([1, 1, 1, 1, 2, None])


def at(tick: int | None) -> datetime | None:
    return None if tick is None else START + tick * TICK


def feature_rows(key):
    """Rows unique in key and both times, as the suite on features demands; some values null."""
    written = st.lists(st.tuples(key, ticks, ticks), min_size=8, max_size=30, unique=True)
    return written.map(
        lambda rows: [
            Row(key, at(event), at(created), None if number % 7 == 6 else number)
            for number, (key, event, created) in enumerate(rows)
        ]
    )


cases = st.fixed_dictionaries(
    {
        "entities": st.lists(st.tuples(people, activities, ticks), max_size=20),
        "by_person": feature_rows(st.tuples(people)),
        "by_both": feature_rows(st.tuples(people, activities)),
        "by_none": feature_rows(st.just(())),
        "ttl_ticks": st.sampled_from([0, 2, 5]),
        "known": st.booleans(),
        "has_created": st.booleans(),
        "entity_time": st.sampled_from(ENTITY_TIMES),
        "feature_time": st.sampled_from(FEATURE_TIMES),
        "batch_rows": st.sampled_from([3, 1 << 20]),
    }
)


def times(moments: list[datetime | None], kind: pa.DataType) -> pa.Array:
    return pa.array(moments, pa.timestamp("us", "UTC")).cast(pa.timestamp(kind.unit, kind.tz))


def write(folder: Path, rows: list[Row], names: list[str], kind: pa.DataType) -> None:
    """Write the rows as two files of a partitioned source."""
    kinds = {"who": pa.string(), "what": pa.int32()}
    columns = {
        name: pa.array([r.key[i] for r in rows], kinds[name]) for i, name in enumerate(names)
    }
    columns |= {
        "at": times([row.event for row in rows], kind),
        "known": times([row.created for row in rows], kind),
        "value": pa.array([row.value for row in rows], pa.int64()),
    }
    table = pa.table(columns)
    for number, part in enumerate((table[: len(rows) // 3], table[len(rows) // 3 :])):
        (folder / f"interval={number}").mkdir(parents=True)
        # Small row groups, so that some can be skipped.
        pq.write_table(part, folder / f"interval={number}" / "part.parquet", row_group_size=4)


@settings(max_examples=30, deadline=None)
@given(cases)
def test_views_are_joined_as_by_the_oracle(tmp_path_factory, case):
    folder = tmp_path_factory.mktemp("features")
    ttl = case["ttl_ticks"] * TICK
    entities = case["entities"]
    keys = {"by_person": ["who"], "by_both": ["who", "what"], "by_none": []}
    moments = [at(tick) for *_, tick in entities]
    table = pa.table(
        {
            "person": pa.array([row[0] for row in entities], pa.string()).dictionary_encode(),
            "moment": times(moments, case["entity_time"]),
            "activity": pa.array([row[1] for row in entities], pa.int64()),
        }
    )
    named = {"who": "person", "what": "activity"}
    views = []
    for name, columns in keys.items():
        write(folder / name, case[name], columns, case["feature_time"])
        views.append(
            JoinedView(
                name=name,
                url=str(folder / name),
                keys=tuple((column, named[column]) for column in columns),
                features=(("value", name),),
                types=(pa.int64(),),
                event="at",
                created="known" if case["has_created"] else None,
                ttl_us=ttl // timedelta(microseconds=1),
            )
        )
    known = case["known"] and case["has_created"]
    if not case["has_created"]:
        views = [view for view in views if not _has_ties(case[view.name])]
    size, view_rows._BATCH_ROWS = view_rows._BATCH_ROWS, case["batch_rows"]
    try:
        for plan, rows_per_question in PLANS.items():
            with duckdb_session(threads=2) as connection:
                joined = point_in_time_join(
                    connection,
                    table,
                    "moment",
                    views,
                    known=case["known"],
                    rows_per_question=rows_per_question,
                )
            assert joined.select(table.column_names).equals(table)
            for view in views:
                width = len(view.keys)
                expected = [
                    value_seen(case[view.name], key[:width], moment, ttl, known=known)
                    for key, moment in zip((row[:2] for row in entities), moments, strict=True)
                ]
                assert joined.column(view.name).to_pylist() == expected, (plan, view.name)
    finally:
        view_rows._BATCH_ROWS = size


def _has_ties(rows: list[Row]) -> bool:
    """Whether two rows cannot be told apart without their created times."""
    return len({(row.key, row.event) for row in rows}) < len(rows)
