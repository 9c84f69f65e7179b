"""When to predict: the moments of past workflows to learn from, and the workflows running now."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import duckdb
import ibis
import numpy as np
import pandas as pd

from pipelines.contracts import EVENT_TIMESTAMP, HISTORY_FOLDER, HistoryTable
from pipelines.errors import FeatureStoreError
from pipelines.extract.lake import list_partitions, open_lake_to
from pipelines.features.history import known_rows
from pipelines.store.clock import microseconds
from pipelines.store.frames import typed_frame

_BETWEEN_SHARE: Final = 0.5
_LAST_CLOSURES: Final = """
SELECT workflow_id, arg_max(closed_at, recorded_at) AS closed_at FROM workflow_closures GROUP BY ALL
"""
# The platform can answer with an event from when it is recorded, so that is its moment.
_EVENT_MOMENTS: Final = """
WITH moments AS (
  SELECT DISTINCT e.workflow_id,
    epoch_us(greatest(e.occurred_at, e.recorded_at)) AS moment, epoch_us(c.closed_at) AS closed
  FROM task_events e LEFT JOIN closed c USING (workflow_id)
)
SELECT workflow_id, moment, coalesce(
  lead(moment) OVER (PARTITION BY workflow_id ORDER BY moment), closed, moment) AS next_moment
FROM moments WHERE closed IS NULL OR moment < closed ORDER BY workflow_id, moment
"""
_RUNNING: Final = """
SELECT e.workflow_id, coalesce(any_value(w.opened_at), min(e.occurred_at)) AS opened_at,
  max(e.occurred_at) AS last_event_at
FROM task_events e
LEFT JOIN workflows w USING (workflow_id) ANTI JOIN closed c USING (workflow_id)
GROUP BY e.workflow_id ORDER BY e.workflow_id
"""


def prediction_moments(
    lake: str,
    until: datetime,
    seed: int,
    max_rows: int,
    workflow_ids: Collection[str] | None = None,
) -> pd.DataFrame:
    """Choose moments at which a model would have been asked, to learn from.

    Every moment at which an event became known, and within a seeded half of the gaps between
    two of them (the last gap ends with the workflow) one random moment more, because a service
    is asked at any time. Moments lie before the closing and before `until`; workflows that are
    still open are in. Above `max_rows`, whole workflows are left out, evenly over their openings.

    Args:
        lake: local path or fsspec URL.
        until: moments lie before it; what was recorded later is not looked at.
        seed: of the random moments.
        max_rows: the most moments to return.
        workflow_ids: the workflows to choose from; None for all.

    Returns:
        workflow_id and event_timestamp, in their order; the same arguments give the same rows.

    Raises:
        FeatureStoreError: there is no history before `until`.
    """
    with _history(lake, until) as connection:
        events = connection.sql(_EVENT_MOMENTS).df()
    if workflow_ids is not None:
        events = events[events["workflow_id"].isin(workflow_ids)].reset_index(drop=True)
    rng = np.random.default_rng(seed)
    gap = (events["next_moment"] - events["moment"]).to_numpy()
    chosen = (rng.random(len(events)) < _BETWEEN_SHARE) & (gap > 1)
    inside = 1 + np.floor(rng.random(len(events)) * (gap - 1)).astype(np.int64)
    between = events[chosen].assign(moment=events["moment"][chosen] + inside[chosen])
    moments = pd.concat([events, between])
    moments = moments[moments["moment"] < microseconds(until)]
    moments = moments.sort_values(["workflow_id", "moment"], ignore_index=True)
    kept = _evenly(moments, max_rows)
    return pd.DataFrame(
        {
            "workflow_id": kept["workflow_id"].astype(object),
            EVENT_TIMESTAMP: pd.to_datetime(kept["moment"], unit="us", utc=True).dt.as_unit("us"),
        }
    ).reset_index(drop=True)


def running_workflows(lake: str, as_of: datetime) -> pd.DataFrame:
    """List the workflows that had begun and, as was known before `as_of`, had not closed.

    Returns:
        workflow_id, opened_at and last_event_at, by workflow_id.

    Raises:
        FeatureStoreError: there is no history before `as_of`.
    """
    with _history(lake, as_of) as connection:
        return typed_frame(connection.sql(_RUNNING).to_arrow_table())


@contextmanager
def _history(lake: str, until: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB with views of what was recorded before `until`."""
    backend = ibis.duckdb.connect()
    try:
        backend.raw_sql("SET TimeZone = 'UTC'")
        open_lake_to(backend.con, lake)
        for table in HistoryTable:
            backend.create_view(table.value, known_rows(lake, table, until, backend))
        if not list_partitions(lake, f"{HISTORY_FOLDER}/{HistoryTable.TASK_EVENTS}"):
            raise FeatureStoreError(
                f"The lake at {lake} has no task events; extract the history first."
            )
        backend.raw_sql(f"CREATE VIEW closed AS {_LAST_CLOSURES}")
        yield backend.con
    finally:
        backend.disconnect()


def _evenly(moments: pd.DataFrame, max_rows: int) -> pd.DataFrame:
    """Keep at most `max_rows` rows by keeping every n-th workflow in the order of opening."""
    workflows = moments.groupby("workflow_id")["moment"].agg(["min", "size"]).reset_index()
    workflows = workflows.sort_values(["min", "workflow_id"], ignore_index=True)
    count = len(workflows)
    while count:
        places = np.linspace(0, len(workflows) - 1, count).round().astype(int)
        excess = int(workflows["size"].iloc[places].sum()) - max_rows
        if excess <= 0:
            break
        count -= max(1, int(excess / workflows["size"].mean()))
    else:
        return moments.iloc[:0]
    return moments[moments["workflow_id"].isin(workflows["workflow_id"].iloc[places])]
