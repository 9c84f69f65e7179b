"""Write each key's latest feature row, as known at a watermark, to Feast's online store.

Feast's own materialisation takes the rows whose event time lies in the interval. That loses a
row recorded late, and lets an older row that arrives late replace a newer one. Here a key is
written when anything about it became known in the interval, with the row that the offline join
gives for the end of the interval.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.latest import latest_rows
from pipelines.store.online_remove import Written, remove_others
from pipelines.store.online_write import OnlineWriter
from pipelines.store.stamp import put_new_stamp, take_stamp_away
from pipelines.store.valkey import Valkey, answering

Progress = Callable[[FeatureView, int, int], None]

_BATCH_ROWS: Final = 2_000
# Writing many rows together, a busy server may take longer than a request would wait.
_ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Materialized:
    """Keys written per view, and stale entities removed by a materialisation of all keys."""

    rows: Mapping[FeatureView, int]
    removed_count: int


def materialize(
    settings: Settings,
    start: datetime | None,
    end: datetime,
    progress: Progress | None = None,
) -> Materialized:
    """Bring the online store to what was known before `end`.

    Args:
        settings: where lake and Valkey are.
        start: only keys about which something became known in [start, end); None for all keys,
            and then rows that the lake does not have (any more) are removed.
        end: the watermark; aware.
        progress: called with view, rows written and rows to write.

    Raises:
        FeatureStoreError: the interval ends before it starts, or Valkey does not answer.
    """
    if start is not None and start > end:
        raise FeatureStoreError(f"Materialise from {start} to {end}: the start is after the end.")
    valkey = Valkey(settings.valkey, _ANSWER_SECONDS)
    rows: dict[FeatureView, int] = {}
    written = {name: Written() for name in VIEWS}
    with answering():
        take_stamp_away(valkey)
        for spec in VIEWS.values():
            writer = OnlineWriter(spec, valkey)
            rows[spec.name] = 0
            for table, total in latest_rows(settings.lake, spec, start, end):
                for offset in range(0, table.num_rows, _BATCH_ROWS):
                    batch = table.slice(offset, _BATCH_ROWS)
                    written[spec.name].add(writer.write(batch))
                    rows[spec.name] += batch.num_rows
                    if progress is not None:
                        progress(spec.name, rows[spec.name], total)
        removed = remove_others(valkey, written) if start is None else 0
        put_new_stamp(valkey)
    valkey.close()
    return Materialized(rows, removed)
