"""Compare what training sees with what serving sees: the same keys, at the same moment.

Offline is Feast's own historical retrieval, as a training set is made. Online is looked at twice:
the row as it is served, and Feast's fields, which every other reader of the store gets. Both
must have the same row (by its times) with the same values, nulls and time-to-live included.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from feast import FeatureStore

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FEATURES_FOLDER
from pipelines.features.views import ViewSpec
from pipelines.history.schema import TIMESTAMP
from pipelines.store.clock import microseconds
from pipelines.store.join import JoinedView, point_in_time_join
from pipelines.store.online_rows import OnlineRow
from pipelines.store.online_view import OnlineView
from pipelines.store.parity_sample import Key, Sample
from pipelines.store.protobuf import as_datetime
from pipelines.store.scan import duckdb_session
from pipelines.store.valkey import Valkey, command, require
from pipelines.store.view_reader import ViewReader

SERVED: Final = "served row"
FEAST: Final = "Feast's fields"
_ROW: Final = "(row)"
_MOMENT: Final = "__moment"
_TIMES: Final = ("__event", "__created")
_BATCH: Final = 1_000

Row = OnlineRow | None


@dataclass(frozen=True)
class Mismatch:
    """One value that differs; `feature` is `(row)` where a row differs and no value does."""

    view: str
    key: tuple[str, ...]
    feature: str
    copy: str  # which of the two online
    because: str
    offline_value: str
    online_value: str
    offline_event: str | None
    offline_created: str | None
    online_event: str | None
    online_created: str | None

    def __str__(self) -> str:
        """Say it on one line."""
        return (
            f"{self.view} {self.key}, {self.feature}: offline {self.offline_value} "
            f"(event {self.offline_event}, created {self.offline_created}), online "
            f"{self.online_value} in the {self.copy} (event {self.online_event}, created "
            f"{self.online_created}): {self.because}"
        )


@dataclass(frozen=True)
class ViewComparison:
    """What was found for one view; `content_sha256` is of keys, times and values offline."""

    mismatches: tuple[Mismatch, ...]
    compared_count: int
    content_sha256: str


def compare_view(
    store: FeatureStore,
    lake: str,
    spec: ViewSpec,
    sample: Sample,
    *,
    moment: datetime,
    url: str,
) -> ViewComparison:
    """Compare a view's sampled keys at `moment`.

    Args:
        store: see `open_store`.
        lake: root of the lake.
        spec: the view.
        sample: see `choose_keys`.
        moment: of asking, on both sides.
        url: of Valkey.

    Raises:
        FeatureStoreError: Valkey does not answer.
        redis.RedisError: likewise.
    """
    keys = list(sample.kinds)
    offline = _offline(store, lake, spec, keys, moment)
    served = ViewReader(url, [spec]).lookup({spec.name: keys}, moment)[spec.name].rows
    fields = _feast_fields(url, spec, keys, moment)
    mismatches = [
        found
        for copy, online in ((SERVED, served), (FEAST, fields))
        for key, theirs in zip(keys, online, strict=True)
        for found in _differences(spec, key, copy, offline[key], theirs)
    ]
    content = repr([(key, offline[key]) for key in keys])
    digest = hashlib.sha256(content.encode()).hexdigest()
    count = 2 * len(keys) * len(spec.columns)
    return ViewComparison(tuple(mismatches), count, digest)


def _offline(
    store: FeatureStore, lake: str, spec: ViewSpec, keys: Sequence[Key], moment: datetime
) -> dict[Key, Row]:
    """Return the rows that training would see, with the times of those that have expired too."""
    names = list(spec.entity_columns)
    entities = pa.table(
        {name: pa.array([key[i] for key in keys], pa.string()) for i, name in enumerate(names)}
    )
    job = store.get_historical_features(
        entity_df=entities.to_pandas().assign(**{EVENT_TIMESTAMP: pd.Timestamp(moment)}),
        features=[f"{spec.name.value}:{column.name}" for column in spec.columns],
        filter_by_created_timestamp=True,
    )
    values = _by_key(job.to_arrow(), names, [column.name for column in spec.columns])
    times = _by_key(_row_times(lake, spec, entities, moment), names, list(_TIMES))
    ttl_us = spec.ttl_days * 86_400_000_000
    rows: dict[Key, Row] = {}
    for key in keys:
        event, created = times[key]
        if event is None:
            rows[key] = None
            continue
        event_us, created_us = microseconds(event), microseconds(created)
        has_expired = ttl_us and event_us + ttl_us < microseconds(moment)
        rows[key] = OnlineRow(event_us, created_us, None if has_expired else values[key])
    return rows


def _row_times(lake: str, spec: ViewSpec, entities: pa.Table, moment: datetime) -> pa.Table:
    """Return when the rows were true and recorded, expired ones too, which Feast does not say."""
    view = JoinedView(
        name=spec.name.value,
        url=f"{lake.rstrip('/')}/{FEATURES_FOLDER}/{spec.name.value}",
        keys=tuple((name, name) for name in spec.entity_columns),
        features=tuple(zip((EVENT_TIMESTAMP, CREATED_TIMESTAMP), _TIMES, strict=True)),
        types=(TIMESTAMP, TIMESTAMP),
        event=EVENT_TIMESTAMP,
        created=CREATED_TIMESTAMP,
        ttl_us=0,
    )
    asked = entities.append_column(_MOMENT, pa.array([moment] * entities.num_rows, TIMESTAMP))
    with duckdb_session() as connection:
        return point_in_time_join(connection, asked, _MOMENT, [view], known=True)


def _by_key(
    table: pa.Table, names: Sequence[str], columns: Sequence[str]
) -> Mapping[Key, tuple[Any, ...]]:
    keys = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    values = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    return dict(zip(keys, values, strict=True))


def _feast_fields(url: str, spec: ViewSpec, keys: Sequence[Key], moment: datetime) -> list[Row]:
    view, valkey = OnlineView(spec), Valkey(url)
    replies: list[Any] = []
    for at in range(0, len(keys), _BATCH):
        replies += valkey.ask(
            [
                command(b"HMGET", view.entity.address(key), *view.feast_fields)
                for key in keys[at : at + _BATCH]
            ]
        )
    return [view.feast_row(require(reply), microseconds(moment)) for reply in replies]


def _differences(
    spec: ViewSpec, key: Key, copy: str, offline: Row, online: Row
) -> Iterator[Mismatch]:
    because = _because(offline, online)
    blank = (None,) * len(spec.columns)
    ours = (offline and offline.features) or blank
    theirs = (online and online.features) or blank
    pairs = [
        (column.name, repr(a), repr(b))
        for column, a, b in zip(spec.columns, ours, theirs, strict=True)
        if type(a) is not type(b) or (a != b and not a != a != b != b)  # noqa: PLR0124 - NaN
    ]
    if not pairs and because:
        pairs = [(_ROW, _told(offline), _told(online))]
    for name, a, b in pairs:
        yield Mismatch(
            spec.name.value, key, name, copy, because or "another value", a, b,
            *_times_of(offline), *_times_of(online),
        )  # fmt: skip


def _because(offline: Row, online: Row) -> str:
    """Say how the rows differ apart from their values; nothing where they do not."""
    if offline is None and online is None:
        return ""
    if online is None:
        return "the key is missing online"
    if offline is None:
        return "the key is online only"
    if offline.features is None and online.features is not None:
        return "offline the row has expired"
    if offline.features is not None and online.features is None:
        return "online the row has expired"
    if offline[:2] != online[:2]:
        return "another row of the key is online"
    return ""


def _told(row: Row) -> str:
    if row is None:
        return "no row"
    return "a row" if row.features is not None else "an expired row"


def _times_of(row: Row) -> tuple[str | None, str | None]:
    if row is None:
        return None, None
    return as_datetime(row.event_us).isoformat(), as_datetime(row.created_us).isoformat()
