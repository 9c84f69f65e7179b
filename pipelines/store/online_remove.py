"""Remove from the online store what was not written: entities, and single views of them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.contracts import CREATED_TIMESTAMP, FeatureView
from pipelines.features.views import VIEWS, ViewSpec
from pipelines.store.addresses import Entity, feature_field, row_field, timestamp_field
from pipelines.store.valkey import Valkey, command, require

_BATCH: Final = 2_000


class Written:
    """Which addresses were written, as hashes of 64 bits: eight bytes each.

    That two of a million keys share a hash, and a stale one stays, is less likely than one in
    ten million runs.
    """

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.uint64]] = []

    def add(self, addresses: Sequence[bytes]) -> None:
        """Remember addresses."""
        self._parts.append(address_hashes(addresses))

    def hashes(self) -> npt.NDArray[np.uint64]:
        """Return the hashes in order."""
        return np.sort(np.concatenate(self._parts)) if self._parts else address_hashes([])


def remove_others(valkey: Valkey, written: Mapping[FeatureView, Written]) -> int:
    """Remove every view's rows that were not written; return how many entities are gone whole.

    Raises:
        redis.RedisError: Valkey does not answer in time.
    """
    kinds: dict[tuple[str, ...], list[ViewSpec]] = {}
    for spec in VIEWS.values():
        kinds.setdefault(spec.entity_columns, []).append(spec)
    hashes = {name: of.hashes() for name, of in written.items()}
    removed = 0
    for names, specs in kinds.items():
        entity = Entity(names)
        for found in valkey.addresses(entity.pattern):
            addresses = [a for a in dict.fromkeys(found) if entity.values(a) is not None]
            stale = {spec.name: not_among(addresses, hashes[spec.name]) for spec in specs}
            gone = np.logical_and.reduce(list(stale.values()))
            removed += _ask(valkey, [command(b"UNLINK", addresses[i]) for i in _places(gone)])
            for spec in specs:
                fields = view_fields(spec)
                partly = stale[spec.name] & ~gone
                _ask(valkey, [command(b"HDEL", addresses[i], *fields) for i in _places(partly)])
    return removed


def view_fields(spec: ViewSpec) -> list[bytes]:
    """Return all fields of a view's row in its entity's hash."""
    features = [CREATED_TIMESTAMP, *(column.name for column in spec.columns)]
    return [
        timestamp_field(spec.name),
        row_field(spec.name),
        *(feature_field(spec.name, name) for name in features),
    ]


def address_hashes(addresses: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Return a hash of 64 bits for each address."""
    digests = [hashlib.blake2b(address, digest_size=8).digest() for address in addresses]
    return np.frombuffer(b"".join(digests), np.uint64)


def not_among(addresses: Sequence[bytes], kept: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Tell which addresses have a hash that is not among some in order."""
    if not len(kept):
        return np.ones(len(addresses), bool)
    hashes = address_hashes(addresses)
    places = np.minimum(np.searchsorted(kept, hashes), len(kept) - 1)
    return np.asarray(kept[places] != hashes)


def _places(chosen: npt.NDArray[np.bool_]) -> Iterable[int]:
    return np.flatnonzero(chosen).tolist()


def _ask(valkey: Valkey, commands: Sequence[bytes]) -> int:
    return sum(
        int(require(reply))
        for at in range(0, len(commands), _BATCH)
        for reply in valkey.ask(commands[at : at + _BATCH])
    )
