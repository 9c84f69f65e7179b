"""Point-in-time joins in SQL by hand, what Workcast's join is measured against."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.bench.join_data import JoinSizes, feature_names, read_entities


def raw_join(
    make_query: Callable[[JoinSizes], str], folder: Path, sizes: JoinSizes
) -> Callable[[], pa.Table]:
    """Prepare a query on the view's files; the entity rows are an Arrow table."""
    connection = duckdb.connect()
    entities = pa.Table.from_pandas(read_entities(folder), preserve_index=False)
    for view in range(sizes.views):
        connection.read_parquet(str(folder / f"v{view}" / "part.parquet")).create_view(f"v{view}")
    query = make_query(sizes)

    def join() -> pa.Table:
        connection.register("e", entities)
        return connection.sql(query).to_arrow_table()

    return join


def asof_query(sizes: JoinSizes) -> str:
    """Write ASOF joins on the event time."""
    joins = [
        f"ASOF LEFT JOIN v{view} ON e.entity_id = v{view}.entity_id "
        f"AND e.event_timestamp >= v{view}.event_timestamp"
        for view in range(sizes.views)
    ]
    return _select(sizes, joins)


def asof_known_query(sizes: JoinSizes) -> str:
    """Write ASOF joins on the time a row became visible, of rows then the newest of their key."""
    joins = [
        f"""ASOF LEFT JOIN (
          SELECT *, greatest(event_timestamp, created_timestamp) AS visible FROM v{view}
          QUALIFY event_timestamp = max(event_timestamp)
            OVER (PARTITION BY entity_id ORDER BY greatest(event_timestamp, created_timestamp))
        ) v{view} ON e.entity_id = v{view}.entity_id AND e.event_timestamp >= v{view}.visible"""  # noqa: S608
        for view in range(sizes.views)
    ]
    return _select(sizes, joins)


def range_query(sizes: JoinSizes, *, known: bool) -> str:
    """Write joins on key and time range, of which the latest row of each entity row is taken."""
    features = [name for view in range(sizes.views) for name in feature_names(view)]
    joins = [
        f"""LEFT JOIN (
          SELECT row_id, arg_max(v{view}, v{view}.event_timestamp) AS latest
          FROM e JOIN v{view} ON e.entity_id = v{view}.entity_id
            AND v{view}.event_timestamp
              BETWEEN e.event_timestamp - INTERVAL {sizes.ttl_days} DAY AND e.event_timestamp
            {f"AND v{view}.created_timestamp <= e.event_timestamp" if known else ""}
          GROUP BY row_id
        ) v{view} ON e.row_id = v{view}.row_id"""  # noqa: S608 - names and numbers of our own
        for view in range(sizes.views)
    ]
    values = ", ".join(f"{name.split('_')[0]}.latest.{name}" for name in features)
    return f"SELECT e.*, {values} FROM e {' '.join(joins)}"  # noqa: S608


def _select(sizes: JoinSizes, joins: list[str]) -> str:
    values = ", ".join(
        f"CASE WHEN v{view}.event_timestamp >= e.event_timestamp - INTERVAL {sizes.ttl_days} DAY "
        f"THEN v{view}.{name} END AS {name}"
        for view in range(sizes.views)
        for name in feature_names(view)
    )
    return f"SELECT e.*, {values} FROM e {' '.join(joins)}"  # noqa: S608


range_known_query = partial(range_query, known=True)
range_event_query = partial(range_query, known=False)
