"""Where Feast keeps what in Valkey: one hash an entity, in it the fields of all its views.

The formats are Feast's own (entity keys of version 3, field names hashed with MurmurHash3),
made here from parts that are computed once, because Feast makes them anew for every value.
"""

import struct
from collections.abc import Sequence
from typing import Final

from feast.infra.key_encoding_utils import serialize_entity_key_prefix
from feast.infra.online_stores.helpers import _mmh3 as hashed
from feast.protos.feast.types.Value_pb2 import ValueType

from pipelines.contracts import FeatureView
from pipelines.store.definitions import PROJECT

KEY_VERSION: Final = 3
_PROJECT: Final = PROJECT.encode()
_TEXT_AND_SIZE: Final = struct.Struct("<II")


class Entity:
    """Addresses of one kind of entity, given by the names of its join keys (text)."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        # Feast sorts the keys by name.
        self.order = sorted(range(len(names)), key=lambda place: names[place])
        self.prefix: bytes = serialize_entity_key_prefix(list(names), KEY_VERSION)

    def address(self, values: Sequence[str]) -> bytes:
        """Return the key of an entity's hash; `values` in the order of the names."""
        parts = [self.prefix]
        for place in self.order:
            value = values[place].encode()
            parts += (_TEXT_AND_SIZE.pack(ValueType.STRING, len(value)), value)
        parts.append(_PROJECT)
        return b"".join(parts)

    def values(self, address: bytes) -> tuple[str, ...] | None:
        """Return the values of an address; None where it is of another kind of entity."""
        at, found = len(self.prefix), dict.fromkeys(self.order, "")
        if not address.startswith(self.prefix):
            return None
        for place in self.order:
            if at + _TEXT_AND_SIZE.size > len(address):
                return None
            _, size = _TEXT_AND_SIZE.unpack_from(address, at)
            at += _TEXT_AND_SIZE.size + size
            found[place] = address[at - size : at].decode(errors="replace")
        return tuple(found[i] for i in range(len(found))) if address[at:] == _PROJECT else None

    @property
    def pattern(self) -> bytes:
        """Pattern of all addresses; others' may match too, `values` tells."""
        return _escaped(self.prefix) + b"*" + _PROJECT


def feature_field(view: FeatureView, name: str) -> bytes:
    """Return the field of one feature."""
    return bytes(hashed(f"{view.value}:{name}"))


def timestamp_field(view: FeatureView) -> bytes:
    """Return the field of the event time of a view's row."""
    return f"_ts:{view.value}".encode()


def row_field(view: FeatureView) -> bytes:
    """Return the field of a view's packed row, which Feast does not know of."""
    return f"_row:{view.value}".encode()


def _escaped(text: bytes) -> bytes:
    return b"".join(
        b"\\" + text[i : i + 1] if text[i] in b"*?[]\\" else text[i : i + 1]
        for i in range(len(text))
    )
