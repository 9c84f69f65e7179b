"""Point-in-time join of feature rows to entity rows, as known at each row's moment.

A feature row is visible at T when it was true and known by then: `max(event, created) <= T`,
inclusive as in Feast (without `known`: `event <= T`). Of the visible rows of a key the one with
the latest event time counts, the latest created time among equals, and only if it is not older
than its time-to-live. All times are integers, free of time zones.

DuckDB reads the files twice, each time only the columns and rows that matter: first keys and
times, in which `pipelines.store.match` finds the event that each entity row sees, then the
values of the rows found. Only row number, keys and moments of the entity rows take part; their
own columns are kept aside, so order, types and duplicates stay as they are.
"""

from collections.abc import Sequence
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.errors import FeatureStoreError
from pipelines.store.clock import clock_unit, integer_times
from pipelines.store.duckdb_time import column_type
from pipelines.store.joined_view import JoinedView
from pipelines.store.match import NEVER, ROWS_PER_QUESTION, latest_events
from pipelines.store.scan import scan_parquet
from pipelines.store.view_rows import ViewRows

__all__ = ["JoinedView", "point_in_time_join"]

_LONGEST: Final = 2**62


def point_in_time_join(
    connection: duckdb.DuckDBPyConnection,
    entities: pa.Table,
    moment_column: str,
    views: Sequence[JoinedView],
    *,
    known: bool,
    rows_per_question: float = ROWS_PER_QUESTION,
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
        rows_per_question: where the plan changes; see `pipelines.store.match`.

    Raises:
        FeatureStoreError: no such column, one of another kind, or a result's name is taken.
    """
    result = entities
    for view in views:
        columns = _joined_values(
            connection,
            entities,
            moment_column,
            view,
            known=known,
            rows_per_question=rows_per_question,
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
    rows_per_question: float,
) -> list[pa.ChunkedArray]:
    scan = scan_parquet(connection, view.url)
    if scan is None:
        return [pa.chunked_array([pa.nulls(entities.num_rows, kind)]) for kind in view.types]
    _check_columns(view, scan.columns, entities.column_names)
    times = [column_type(scan, name) for name in (view.event, view.created) if name]
    moments = entities.column(moment_column)
    unit = clock_unit(times, moments)
    rows = ViewRows(connection, scan, view, unit, known)
    try:
        row_ids, questions = rows.questions(entities, integer_times(moments, unit))
        events = latest_events(
            questions,
            rows.batches(questions),
            threads=_threads(connection),
            rows_per_question=rows_per_question,
        )
        seen = events != NEVER
        if rows.ttl:
            seen &= events >= questions.moments - min(rows.ttl, _LONGEST)
        found = {"row_id": row_ids, "key_id": questions.keys, "event": events}
        found["t"] = questions.moments
        table = rows.values(pa.table({name: values[seen] for name, values in found.items()}))
    except (duckdb.BinderException, duckdb.ConversionException) as err:
        raise FeatureStoreError(
            f"View {view.name} cannot be joined by {', '.join(name for _, name in view.keys)} "
            f"({err}); give the entity frame's keys the types that they have in the files."
        ) from err
    positions = np.full(entities.num_rows, -1, dtype=np.int64)
    # Of several rows for one the last stays: the one created last.
    positions[table.column("row_id").to_numpy()] = np.arange(table.num_rows)
    indices = pa.array(positions, mask=positions < 0)
    values = (table.column(f"v{i}").combine_chunks() for i in range(len(view.features)))
    return [column.take(indices) for column in values]


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


def _threads(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
