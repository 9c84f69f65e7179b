"""Each key's latest feature row as known at a watermark: what belongs into the online store."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.history.schema import TIMESTAMP
from pipelines.store.join import JoinedView, point_in_time_join
from pipelines.store.scan import duckdb_session, scan_parquet

_MOMENT: Final = "__moment"
_TICK: Final = timedelta(microseconds=1)
# Keys joined together: what bounds the memory of a view with very many.
KEYS_A_BATCH: Final = 200_000


def latest_rows(
    lake: str,
    spec: ViewSpec,
    start: datetime | None,
    end: datetime,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    keys_a_batch: int = KEYS_A_BATCH,
) -> Iterator[tuple[pa.Table, int]]:
    """Yield the row of each key that the offline join gives just before `end`, in batches.

    Rows count that were true and known before `end`. Only keys about which a row became visible
    in [start, end) are returned; all keys where `start` is None. Rows past their time-to-live
    are returned too: they expire when they are read.

    Yields:
        Rows with the columns of the view's schema, and how many keys there are in all; nothing
        where the view has no files.
    """
    with duckdb_session(threads, memory_limit) as connection:
        keys = _keys(connection, _url(lake, spec), spec, start, end)
        if keys is None:
            return
        names = (EVENT_TIMESTAMP, CREATED_TIMESTAMP, *(c.name for c in spec.columns))
        view = JoinedView(
            name=spec.name.value,
            url=_url(lake, spec),
            keys=tuple((name, name) for name in spec.entity_columns),
            features=tuple((name, name) for name in names),
            types=tuple(spec.schema.field(name).type for name in names),
            event=EVENT_TIMESTAMP,
            created=CREATED_TIMESTAMP,
            ttl_us=0,
        )
        for offset in range(0, keys.num_rows, keys_a_batch):
            batch = keys.slice(offset, keys_a_batch)
            moments = pa.array([end - _TICK] * batch.num_rows, TIMESTAMP)
            entities = batch.append_column(_MOMENT, moments)
            joined = point_in_time_join(connection, entities, _MOMENT, [view], known=True)
            yield joined.select(spec.schema.names).cast(spec.schema), keys.num_rows


def _url(lake: str, spec: ViewSpec) -> str:
    return f"{lake.rstrip('/')}/features/{spec.name.value}"


def _keys(
    connection: duckdb.DuckDBPyConnection,
    url: str,
    spec: ViewSpec,
    start: datetime | None,
    end: datetime,
) -> pa.Table | None:
    rows = scan_parquet(connection, url)
    if rows is None:
        return None
    event, created = ColumnExpression(EVENT_TIMESTAMP), ColumnExpression(CREATED_TIMESTAMP)
    rows = rows.filter((event < ConstantExpression(end)) & (created < ConstantExpression(end)))
    if start is not None:
        first = ConstantExpression(start)
        rows = rows.filter((event >= first) | (created >= first))
    keys = rows.select(*(ColumnExpression(name) for name in spec.entity_columns)).distinct()
    return keys.to_arrow_table()
