"""Rows of one source within a range of event times: all of them, or the latest of each key."""

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, FunctionExpression

from pipelines.errors import FeatureStoreError
from pipelines.store.clock import MICROSECOND, NANOSECOND, microseconds
from pipelines.store.duckdb_time import column_type, epoch_function, time_literal
from pipelines.store.scan import scan_parquet


def pull_rows(
    connection: duckdb.DuckDBPyConnection,
    url: str,
    columns: list[str],
    *,
    event: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pa.Table:
    """Return `columns` of the rows with `start <= event <= end`, both ends included as in Feast.

    Raises:
        FeatureStoreError: no Parquet file or no such column.
    """
    return rows_within(connection, url, columns, event, start=start, end=end).to_arrow_table()


def pull_latest_rows(
    connection: duckdb.DuckDBPyConnection,
    url: str,
    columns: list[str],
    *,
    keys: list[str],
    event: str,
    created: str | None,
    start: datetime,
    end: datetime,
) -> pa.Table:
    """Return, of the rows `pull_rows` finds, each key's latest by event, then created time.

    Raises:
        FeatureStoreError: no Parquet file or no such column.
    """
    rows = rows_within(connection, url, columns, event, start=start, end=end)
    short = {name: f"c{i}" for i, name in enumerate(columns)}
    rows = rows.select(*(ColumnExpression(name).alias(alias) for name, alias in short.items()))
    order = ", ".join(f"{short[name]} DESC NULLS LAST" for name in (event, created) if name)
    partition = ", ".join(short[name] for name in keys)
    window = f"PARTITION BY {partition} ORDER BY {order}" if keys else f"ORDER BY {order}"
    latest = rows.project(f"*, row_number() OVER ({window}) AS place").filter("place = 1")
    return latest.project("* EXCLUDE (place)").to_arrow_table().rename_columns(columns)


def rows_within(
    connection: duckdb.DuckDBPyConnection,
    url: str,
    columns: list[str],
    event: str,
    *,
    start: datetime | None,
    end: datetime | None,
) -> duckdb.DuckDBPyRelation:
    """Select the rows that `pull_rows` returns, to go on with.

    Raises:
        FeatureStoreError: no Parquet file or no such column.
    """
    rows = scan_parquet(connection, url)
    if rows is None:
        raise FeatureStoreError(f"No Parquet file at {url}; build the features first.")
    missing = [name for name in (*columns, event) if name not in rows.columns]
    if missing:
        raise FeatureStoreError(
            f"The files at {url} lack the columns {', '.join(missing)}; "
            f"they have {', '.join(rows.columns)}."
        )
    if start is not None:
        time, literal = _comparable(rows, event, start)
        rows = rows.filter(time >= literal)
    if end is not None:
        rows = rows_until(rows, event, end)
    return rows.select(*(ColumnExpression(name) for name in columns))


def rows_until(
    rows: duckdb.DuckDBPyRelation, column: str, end: datetime
) -> duckdb.DuckDBPyRelation:
    """Keep the rows whose time is at or before `end` (naive: UTC)."""
    time, literal = _comparable(rows, column, end)
    return rows.filter(time <= literal)


def _comparable(
    rows: duckdb.DuckDBPyRelation, event: str, moment: datetime
) -> tuple[duckdb.Expression, duckdb.Expression]:
    """Return the event time and a moment (naive: UTC) in one type, the column's own if it may."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    count = microseconds(moment)
    literal = time_literal(column_type(rows, event), count, MICROSECOND)
    if literal is not None:
        return ColumnExpression(event), literal
    time = FunctionExpression(epoch_function(NANOSECOND), ColumnExpression(event))
    return time, ConstantExpression(count * 1_000)
