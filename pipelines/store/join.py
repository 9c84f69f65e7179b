"""Point-in-time join of feature rows to entity rows, as known at each row's moment, in DuckDB.

A feature row is visible at T when it was true and known by then: `max(event, created) <= T`,
inclusive as in Feast (without `known`: `event <= T`). Of the visible rows of a key the one with
the latest event time counts, the latest created time among equals, and only if it is not older
than its time-to-live. Both times make one integer, `packed = event * 2**64 + created`, so that
one comparison orders rows; all times are integers, free of time zones.

Only row number, keys and time of the entity rows enter DuckDB. The join runs in two steps, each
reading just the columns it needs: find the packed time that each entity row sees, then fetch
the values of the rows found. The first step has two plans, which cost differently:

- an ASOF join sorts the feature rows of the keys asked for: best for many entity rows;
- a join on key and time with a maximum makes every pair: best for few entity rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, Expression, FunctionExpression

from pipelines.errors import FeatureStoreError
from pipelines.store.clock import (
    MICROSECOND,
    clock_unit,
    column_type,
    epoch_function,
    integer_times,
    time_literal,
)
from pipelines.store.scan import scan_parquet

# Up to this many pairs per feature row, making all pairs costs less than sorting the rows.
PAIRS_PER_ROW: Final = 8

_PACKED: Final = (
    "event::HUGEINT * 18446744073709551616::HUGEINT"
    " + coalesce(created::HUGEINT + 9223372036854775808::HUGEINT, 0::HUGEINT) AS packed"
)
_ASKED: Final = "row_id, key_id, t, (t + 1)::HUGEINT * 18446744073709551616::HUGEINT AS packed_end"
_EXPECTED: Final = """
SELECT count(*), coalesce(sum(entity_count), 0), coalesce(bool_or(visible > event), false)
FROM seen
"""
_ALL_PAIRS: Final = """
CREATE OR REPLACE TEMP TABLE matched AS
SELECT row_id, key_id, t, max(packed) AS packed
FROM asked JOIN seen USING (key_id) WHERE visible <= t GROUP BY ALL
"""
_ASOF: Final = """
CREATE OR REPLACE TEMP TABLE matched AS
SELECT a.row_id, a.key_id, a.t, s.packed
FROM asked a ASOF JOIN seen s ON a.key_id = s.key_id AND a.packed_end > s.packed
"""
# With late rows the newest visible row is not the last one to have become visible. Keep the
# rows that were the newest visible when they appeared: the last of those to appear is it.
_ASOF_LATE: Final = """
CREATE OR REPLACE TEMP TABLE matched AS
SELECT a.row_id, a.key_id, a.t, s.packed
FROM asked a ASOF JOIN (
  SELECT key_id, visible, packed FROM seen
  QUALIFY packed = max(packed) OVER (
    PARTITION BY key_id ORDER BY visible RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
) s ON a.key_id = s.key_id AND a.t >= s.visible
"""


@dataclass(frozen=True)
class JoinedView:
    """What to join: where the rows lie, by which columns, and how their values are called."""

    name: str
    url: str
    keys: tuple[tuple[str, str], ...]  # (source column, column of the entity frame)
    features: tuple[tuple[str, str], ...]  # (source column, name in the result)
    types: tuple[pa.DataType, ...]  # of the features, for a source without files
    event: str
    created: str | None
    ttl_us: int  # 0: rows never expire


def point_in_time_join(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    moment_column: str,
    views: Sequence[JoinedView],
    *,
    known: bool,
    pairs_per_row: float = PAIRS_PER_ROW,
) -> pa.Table:
    """Append the views' values to the entity rows, nulls where a row sees none.

    A view without any file has no rows yet, so every row sees none of it.

    Order, types and duplicates of the entity rows are kept. Views are joined one at a time,
    which bounds the memory by the largest of them.

    Args:
        connection: one of its own; gets temporary tables.
        entities: key columns, `moment_column` (timestamps) and any others.
        moment_column: the moment of each entity row; null sees nothing.
        views: what to join.
        known: only rows whose created time is at or before the moment.
        pairs_per_row: see PAIRS_PER_ROW; 0 forces the ASOF plan, infinity all pairs.

    Raises:
        FeatureStoreError: no such column, or a result's name is taken.
    """
    result = entities
    for view in views:
        columns = _joined_values(
            connection, entities, moment_column, view, known=known, pairs_per_row=pairs_per_row
        )
        for (_, name), values in zip(view.features, columns, strict=True):
            if name in result.column_names:
                raise FeatureStoreError(
                    f"Feature {name} of view {view.name} has the name of a column that is already "
                    "there; ask for full feature names, or rename the entity frame's column."
                )
            result = result.append_column(name, values)
    return result


def _joined_values(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    moment_column: str,
    view: JoinedView,
    *,
    known: bool,
    pairs_per_row: float,
) -> list[pa.ChunkedArray]:
    scan = scan_parquet(connection, view.url)
    if scan is None:
        return [pa.chunked_array([pa.nulls(entities.num_rows, kind)]) for kind in view.types]
    _check_columns(view, scan.columns, entities.column_names)
    times = [column_type(scan, name) for name in (view.event, view.created) if name]
    moments = entities.column(moment_column)
    unit = clock_unit(times, moments)
    counts = integer_times(moments, unit)
    scan = _pruned(scan, view, counts, unit, known)

    key_names = ", ".join(f"k{i}" for i in range(max(len(view.keys), 1)))
    _make_asked(connection, entities, view, counts, key_names)
    narrow = _rows(scan, view, unit, known, [])
    narrow.join(connection.table("keys"), key_names).create_view("seen", replace=True)
    row_count, pair_count, has_late = connection.execute(_EXPECTED).fetchall()[0]
    if pair_count <= pairs_per_row * row_count:
        connection.execute(_ALL_PAIRS)
    else:
        connection.execute(_ASOF_LATE if has_late else _ASOF)

    found = connection.table("matched").join(connection.table("keys"), "key_id")
    names = [f"v{i}" for i in range(len(view.features))]
    values = [
        ColumnExpression(source).alias(name)
        for (source, _), name in zip(view.features, names, strict=True)
    ]
    fetched = _rows(scan, view, unit, known, values).join(found, f"{key_names}, packed")
    if view.ttl_us:
        ttl = view.ttl_us if unit == MICROSECOND else view.ttl_us * 1_000
        fetched = fetched.filter(f"event + {ttl} >= t")
    table = fetched.select("row_id", *names).to_arrow_table()
    positions = np.full(entities.num_rows, -1, dtype=np.int64)
    positions[table.column("row_id").to_numpy()] = np.arange(table.num_rows)
    indices = pa.array(positions, mask=positions < 0)
    return [table.column(name).combine_chunks().take(indices) for name in names]


def _check_columns(view: JoinedView, source: list[str], entities: list[str]) -> None:
    wanted = [column for column, _ in (*view.keys, *view.features)]
    wanted += [column for column in (view.event, view.created) if column]
    for name, there, where in (
        *((name, source, f"the files at {view.url}") for name in wanted),
        *((name, entities, "the entity frame") for _, name in view.keys),
    ):
        if name not in there:
            raise FeatureStoreError(
                f"View {view.name} needs the column {name}, which {where} lacks; "
                f"it has {', '.join(there)}."
            )


def _make_asked(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    view: JoinedView,
    counts: pa.ChunkedArray,
    key_names: str,
) -> None:
    """Make the tables `keys` (each key asked for, numbered) and `asked` (the entity rows)."""
    columns = {f"k{i}": _plain(entities.column(name)) for i, (_, name) in enumerate(view.keys)}
    if not columns:
        columns["k0"] = pa.nulls(len(counts), pa.int32()).fill_null(0)
    row_ids = pa.array(np.arange(len(counts), dtype=np.int64))
    connection.register("entity", pa.table({"row_id": row_ids, **columns, "t": counts}))
    usable = " AND ".join(f"{name} IS NOT NULL" for name in (*columns, "t"))
    entity = connection.table("entity").filter(usable)
    connection.execute("DROP TABLE IF EXISTS keys")
    entity.aggregate(f"{key_names}, count(*) AS entity_count").project(
        "*, row_number() OVER () AS key_id"
    ).create("keys")
    asked = entity.join(connection.table("keys"), key_names).project(_ASKED)
    asked.create_view("asked", replace=True)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Undo dictionaries (an ENUM compares with nothing else); type a column of nulls."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def _pruned(
    scan: duckdb.DuckDBPyRelation,
    view: JoinedView,
    counts: pa.ChunkedArray,
    unit: str,
    known: bool,
) -> duckdb.DuckDBPyRelation:
    """Leave out rows that no entity row can see, by comparisons that Parquet can skip with."""
    scan = scan.filter(ColumnExpression(view.event).isnotnull())
    if known and view.created:
        scan = scan.filter(ColumnExpression(view.created).isnotnull())
    if counts.null_count == len(counts):
        return scan
    earliest, latest = (f(counts.drop_null().to_numpy()) for f in (np.min, np.max))
    bounded = [view.event, *([view.created] if known and view.created else [])]
    for name in bounded:
        upper = time_literal(column_type(scan, name), int(latest), unit)
        if upper is not None:
            scan = scan.filter(ColumnExpression(name) <= upper)
    if view.ttl_us:
        oldest = int(earliest) - view.ttl_us * (1 if unit == MICROSECOND else 1_000)
        # One microsecond off: the literal is rounded up.
        lower = time_literal(column_type(scan, view.event), oldest - 1_000, unit)
        if lower is not None:
            scan = scan.filter(ColumnExpression(view.event) >= lower)
    return scan


def _rows(
    scan: duckdb.DuckDBPyRelation,
    view: JoinedView,
    unit: str,
    known: bool,
    values: list[Expression],
) -> duckdb.DuckDBPyRelation:
    """Project to k0…, event, visible, packed and the values."""
    epoch = epoch_function(unit)
    keys = [ColumnExpression(column).alias(f"k{i}") for i, (column, _) in enumerate(view.keys)]
    created = (
        FunctionExpression(epoch, ColumnExpression(view.created))
        if view.created
        else ConstantExpression(None).cast("BIGINT")
    )
    visible = "greatest(event, created)" if known and view.created else "event"
    return scan.select(
        *(keys or [ConstantExpression(0).alias("k0")]),
        FunctionExpression(epoch, ColumnExpression(view.event)).alias("event"),
        created.alias("created"),
        *values,
    ).project(f"* EXCLUDE (created), {visible} AS visible, {_PACKED}")
