"""Which keys of a view to compare: some of every kind that could go wrong.

Chosen at random, seeded by watermark and view, so that the same stores give the same sample.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from operator import and_, or_
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import CaseExpression, ColumnExpression, ConstantExpression, FunctionExpression

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FEATURES_FOLDER
from pipelines.features.views import ViewSpec
from pipelines.store.addresses import Entity, timestamp_field
from pipelines.store.clock import microseconds
from pipelines.store.online_remove import address_hashes, not_among
from pipelines.store.scan import duckdb_session, scan_parquet
from pipelines.store.valkey import Valkey, command, require

Key = tuple[str, ...]

_DAY_US: Final = 86_400_000_000
_LAST: Final = "last_event_us"
_HAS_NULL: Final = "has_null"


class Kind(StrEnum):
    """What is special about a key, at the moment of comparing."""

    NOWHERE = "nowhere"  # made up: neither side has a row
    ONLINE_ONLY = "online_only"  # a row online and none offline
    LATER = "later"  # offline rows that became known afterwards only
    EXPIRED = "expired"  # the row has outlived its time-to-live
    WITH_NULLS = "with_nulls"
    PLAIN = "plain"


# Shares of a sample; what a kind has too few of goes to the others.
_SHARES: Final = {Kind.LATER: 0.1, Kind.EXPIRED: 0.2, Kind.WITH_NULLS: 0.2}
_NOWHERE_COUNT: Final = 5


@dataclass(frozen=True)
class Sample:
    """Keys to compare with the kind of each, and how many keys the lake has in all."""

    kinds: dict[Key, Kind]
    offline_key_count: int


def choose_keys(lake: str, spec: ViewSpec, moment: datetime, count: int, valkey: Valkey) -> Sample:
    """Choose about `count` keys of a view, and besides keys that only the online store has.

    Args:
        lake: root of the lake.
        spec: the view.
        moment: of comparing: what was known at it, itself included, counts.
        count: keys of the lake; fewer where it has fewer. Of those online only the first as many.
        valkey: the online store.

    Raises:
        redis.RedisError: Valkey does not answer.
    """
    seed = hashlib.sha256(f"{spec.name.value} {moment.isoformat()}".encode()).digest()
    rng = np.random.default_rng(list(seed))
    keys = _offline_keys(lake, spec, moment)
    kinds = _kinds(keys, spec, microseconds(moment))
    every = list(zip(*(keys.column(name).to_pylist() for name in spec.entity_columns), strict=True))
    chosen = {every[i]: Kind(kinds[i]) for i in _places(kinds, count, rng)}
    for i in range(_NOWHERE_COUNT):
        chosen[(f"no key is called this {i}",) * len(spec.entity_columns)] = Kind.NOWHERE
    known = [key for key, kind in zip(every, kinds, strict=True) if kind != Kind.LATER]
    for key in _online_only(spec, known, valkey)[:count]:
        chosen[key] = Kind.ONLINE_ONLY
    return Sample(chosen, len(known))


def _offline_keys(lake: str, spec: ViewSpec, moment: datetime) -> pa.Table:
    """Return each key with the event time of its known row (null: none) and whether it has nulls.

    The known row is the one with the latest event time, so that is a maximum.
    """
    names = spec.entity_columns
    with duckdb_session() as connection:
        rows = scan_parquet(connection, f"{lake.rstrip('/')}/{FEATURES_FOLDER}/{spec.name.value}")
        if rows is None:
            empty = pa.table({name: pa.array([], pa.string()) for name in names})
            return empty.append_column(_LAST, pa.array([], pa.int64())).append_column(
                _HAS_NULL, pa.array([], pa.bool_())
            )
        event = ColumnExpression(EVENT_TIMESTAMP)
        now = ConstantExpression(moment)
        is_known = and_(event <= now, ColumnExpression(CREATED_TIMESTAMP) <= now)
        known_event = CaseExpression(is_known, FunctionExpression("epoch_us", event))
        nulls = [ColumnExpression(c.name).isnull() for c in spec.columns if c.nullable]
        has_null = reduce(or_, nulls, ConstantExpression(False))  # noqa: FBT003
        keys = [ColumnExpression(name) for name in names]
        narrow = rows.select(*keys, known_event.alias("known_us"), has_null.alias("is_null"))
        latest = FunctionExpression(
            "arg_max", ColumnExpression("is_null"), ColumnExpression("known_us")
        )
        found = narrow.aggregate(
            [
                *keys,
                FunctionExpression("max", ColumnExpression("known_us")).alias(_LAST),
                latest.alias(_HAS_NULL),
            ]
        ).to_arrow_table()
    return found.sort_by([(name, "ascending") for name in names])


def _kinds(keys: pa.Table, spec: ViewSpec, moment_us: int) -> npt.NDArray[np.object_]:
    kinds = np.full(keys.num_rows, Kind.PLAIN, object)
    kinds[keys.column(_HAS_NULL).fill_null(False).to_numpy()] = Kind.WITH_NULLS  # noqa: FBT003
    last = keys.column(_LAST)
    if spec.ttl_days:
        ages = moment_us - last.fill_null(moment_us).to_numpy()
        kinds[ages > spec.ttl_days * _DAY_US] = Kind.EXPIRED
    kinds[last.is_null().to_numpy()] = Kind.LATER
    return kinds


def _places(
    kinds: npt.NDArray[np.object_], count: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    order = rng.permutation(len(kinds))
    first = [order[kinds[order] == kind][: int(count * share)] for kind, share in _SHARES.items()]
    special = np.concatenate(first)
    rest = order[~np.isin(order, special)][: max(count - len(special), 0)]
    return np.sort(np.concatenate([special, rest]))


def _online_only(spec: ViewSpec, known: list[Key], valkey: Valkey) -> list[Key]:
    """Return the keys, in order, that have a row of the view online and none offline."""
    entity = Entity(spec.entity_columns)
    hashes = np.sort(address_hashes([entity.address(key) for key in known]))
    field = timestamp_field(spec.name)
    found: set[Key] = set()
    for addresses in valkey.addresses(entity.pattern):
        others = [addresses[i] for i in np.flatnonzero(not_among(addresses, hashes))]
        has_row = valkey.ask([command(b"HEXISTS", address, field) for address in others])
        for address, has in zip(others, map(require, has_row), strict=True):
            key = entity.values(address) if has else None
            if key is not None:
                found.add(key)
    return sorted(found)
