"""The rows features are joined to: a frame, a query, or the keys of a range of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import ColumnExpression
from feast.infra.offline_stores.offline_utils import (
    DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
    infer_event_timestamp_from_entity_df,
)

from pipelines.errors import FeatureStoreError
from pipelines.store.joined_view import JoinedView
from pipelines.store.pull import rows_until, rows_within
from pipelines.store.scan import scan_parquet

_MOMENT: Final = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL


@dataclass(frozen=True)
class EntityRows:
    """Keys, moments and any other columns; which column holds the moments."""

    table: pa.Table
    moment: str

    @property
    def other_columns(self) -> list[str]:
        """All columns but the moments."""
        return [name for name in self.table.column_names if name != self.moment]

    def range(self) -> tuple[datetime | None, datetime | None]:
        """Return the first and the last moment."""
        moments = self.table.column(self.moment)
        if not pa.types.is_timestamp(moments.type):
            return None, None
        first, last = pc.min_max(moments).values()
        return _python_time(first), _python_time(last)


def frame_rows(frame: pd.DataFrame) -> EntityRows:
    """Take a pandas frame; moments given as texts or Python objects become UTC timestamps.

    Raises:
        FeatureStoreError: such moments cannot be read.
        EntityTimestampInferenceException: no column `event_timestamp`, nor one of timestamps.
    """
    moment = infer_event_timestamp_from_entity_df(
        dict(zip(frame.columns, frame.dtypes, strict=True))
    )
    moments = frame[moment]
    if not pd.api.types.is_datetime64_any_dtype(moments):
        try:
            parsed = pd.to_datetime(moments, utc=True, format="ISO8601")
        except (ValueError, TypeError) as err:
            raise FeatureStoreError(
                f"The entity frame's column {moment} cannot be read as timestamps ({err}); "
                "give a column of datetime64, or ISO 8601 texts."
            ) from err
        frame = frame.assign(**{moment: parsed})
    return EntityRows(pa.Table.from_pandas(frame, preserve_index=False), moment)


def query_rows(connection: duckdb.DuckDBPyConnection, query: str) -> EntityRows:
    """Take the rows of a SELECT in DuckDB's SQL, which may read files.

    Raises:
        FeatureStoreError: the query fails.
        EntityTimestampInferenceException: see `frame_rows`.
    """
    try:
        table = connection.sql(query).to_arrow_table()
    except (duckdb.Error, AttributeError) as err:
        raise FeatureStoreError(
            f"The entities' query fails ({err}); give a SELECT in DuckDB's SQL that returns keys "
            f"and {_MOMENT}."
        ) from err
    if _MOMENT not in table.column_names or not pa.types.is_timestamp(table.field(_MOMENT).type):
        # Feast's rule, and its parsing of texts, are written for pandas.
        return frame_rows(table.to_pandas())
    return EntityRows(table, _MOMENT)


def rows_in_range(
    connection: duckdb.DuckDBPyConnection,
    views: Sequence[JoinedView],
    start: datetime,
    end: datetime,
    *,
    known: bool,
) -> EntityRows:
    """Take each key with an event in [start, end], once, at the moment `end`.

    The keys of several views are put together; a key column that a view lacks is null in its
    rows. With `known`, an event counts only if it was created by `end`.
    """
    keys = [
        _keys_in_range(connection, view, start, end, known=known)
        for view in views
        if view.keys and scan_parquet(connection, view.url) is not None
    ]
    names = list(dict.fromkeys(name for view in views for _, name in view.keys))
    if keys:
        table = pa.concat_tables(keys, promote_options="permissive")
        table = table.group_by(names).aggregate([]).sort_by([(n, "ascending") for n in names])
    else:
        # No view has keys, so there is one row for all; or none has rows.
        table = pa.table({name: pa.nulls(0) for name in names} or {"_": pa.nulls(1)})
    moments = pa.array([end] * table.num_rows, pa.timestamp("us", "UTC"))
    return EntityRows(table.select(names).append_column(_MOMENT, moments), _MOMENT)


def _keys_in_range(
    connection: duckdb.DuckDBPyConnection,
    view: JoinedView,
    start: datetime,
    end: datetime,
    *,
    known: bool,
) -> pa.Table:
    columns = [column for column, _ in view.keys]
    times = [name for name in (view.event, view.created) if name]
    rows = rows_within(connection, view.url, [*columns, *times], view.event, start=start, end=end)
    if known and view.created:
        rows = rows_until(rows, view.created, end)
    for column in columns:
        rows = rows.filter(ColumnExpression(column).isnotnull())
    keys = rows.select(
        *(ColumnExpression(column).alias(name) for column, name in view.keys)
    ).distinct()
    return keys.to_arrow_table()


def _python_time(moment: pa.Scalar) -> datetime | None:
    if not moment.is_valid:
        return None
    return pd.Timestamp(moment.value, unit=moment.type.unit, tz=moment.type.tz).to_pydatetime(
        warn=False
    )
