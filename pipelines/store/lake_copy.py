"""The latest feature rows from the lake, in memory: what to answer from without the online store.

Rows are those that materialisation would write online, so a question gets the same values. They
stay Arrow tables: as Python objects they would take ten times the memory and stop the requests
while they are made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.features.views import ViewSpec
from pipelines.store.clock import microseconds
from pipelines.store.latest import latest_rows
from pipelines.store.online_rows import OnlineRow, ServiceRows, ViewRows
from pipelines.store.online_view import Key
from pipelines.store.service_plan import ServicePlan

_PROGRESS: Final = FeatureView.WORKFLOW_PROGRESS
_STATUS: Final = FeatureView.WORKFLOW_STATUS
_MEMORY: Final = "1GB"
_SEPARATOR: Final = "\x00"  # the source database takes no text that holds it
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True)
class _View:
    spec: ViewSpec
    keys: pa.ChunkedArray
    rows: pa.Table
    is_whole: bool

    def find(self, wanted: Sequence[Key], as_of_us: int) -> dict[Key, OnlineRow | None]:
        """Return the row of each key, without features once it has expired; None without one."""
        found: dict[Key, OnlineRow | None] = dict.fromkeys(wanted)
        texts = {_SEPARATOR.join(key): key for key in found}
        asked = pa.array(texts, pa.string())
        chosen = self.rows.filter(pc.is_in(self.keys, value_set=asked))
        names = self.spec.entity_columns
        columns = [chosen.column(column.name).to_pylist() for column in self.spec.columns]
        times = [
            chosen.column(name).cast(pa.int64()).to_pylist()
            for name in (EVENT_TIMESTAMP, CREATED_TIMESTAMP)
        ]
        keys = zip(*(chosen.column(name).to_pylist() for name in names), strict=True)
        ttl_us = self.spec.ttl_days * _DAY_US
        for key, event_us, created_us, *features in zip(keys, *times, *columns, strict=True):
            has_expired = ttl_us and event_us + ttl_us < as_of_us
            found[key] = OnlineRow(event_us, created_us, None if has_expired else tuple(features))
        return found


@dataclass(frozen=True)
class LakeCopy:
    """Each view's latest rows as known just before `as_of`.

    Unless it is whole, a workflow that is not in it may still be in the lake.
    """

    as_of: datetime
    views: Mapping[FeatureView, _View]

    @property
    def is_whole(self) -> bool:
        """Whether every workflow of the lake is in it."""
        return all(self.views[name].is_whole for name in (_PROGRESS, _STATUS))

    def read(self, plan: ServicePlan, workflow_ids: Sequence[str]) -> ServiceRows:
        """Read the features of workflows, as `OnlineReader.read` does, as of the copy's moment."""
        as_of_us = microseconds(self.as_of)
        found = plan.follow(workflow_ids, lambda view, keys: self.views[view].find(keys, as_of_us))
        return plan.rows(workflow_ids, self.as_of, found)

    def lookup(
        self, keys: Mapping[FeatureView, Sequence[Key]], as_of: datetime
    ) -> dict[FeatureView, ViewRows]:
        """Read the rows that some views have for some keys, as `ViewReader.lookup` does."""
        as_of_us = microseconds(as_of)
        found = {}
        for name, asked in keys.items():
            rows = self.views[name].find(asked, as_of_us)
            found[name] = ViewRows(self.views[name].spec, [rows[key] for key in asked])
        return found


def read_lake_copy(
    lake: str, specs: Iterable[ViewSpec], as_of: datetime, max_rows: int
) -> LakeCopy:
    """Read the latest rows of views as known just before `as_of`.

    Of workflows' progress only running ones count. Of a view with more than `max_rows` rows the
    youngest are taken.

    Args:
        lake: root of the lake.
        specs: the views, `workflow_progress` and `workflow_status` among them.
        as_of: the watermark; aware.
        max_rows: bounds the memory, about a kilobyte a row.
    """
    tables = {spec.name: _latest(lake, spec, as_of) for spec in specs}
    status, progress = tables[_STATUS], tables[_PROGRESS]
    is_closed = pc.fill_null(status.column("is_closed"), fill_value=False)
    closed = status.filter(is_closed).column("workflow_id").combine_chunks()
    running = pc.invert(pc.is_in(progress.column("workflow_id"), value_set=closed))
    tables[_PROGRESS] = progress.filter(running)
    return LakeCopy(as_of, {s.name: _view(s, tables[s.name], max_rows) for s in specs})


def _latest(lake: str, spec: ViewSpec, as_of: datetime) -> pa.Table:
    # One thread: the others answer requests.
    rows = latest_rows(lake, spec, None, as_of, memory_limit=_MEMORY, threads=1)
    return pa.concat_tables([spec.schema.empty_table(), *(table for table, _ in rows)])


def _view(spec: ViewSpec, rows: pa.Table, max_rows: int) -> _View:
    is_whole = rows.num_rows <= max_rows
    if not is_whole:
        rows = rows.sort_by([(EVENT_TIMESTAMP, "descending")]).slice(0, max_rows)
        rows = pa.concat_tables([rows]).combine_chunks()
    columns = [rows.column(name) for name in spec.entity_columns]
    keys = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _SEPARATOR)
    return _View(spec, keys, rows, is_whole)
