"""One view as it lies in the online store: which fields to ask for, and what they say."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from pipelines.contracts import CREATED_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.store.addresses import Entity, feature_field, row_field, timestamp_field
from pipelines.store.online_rows import OnlineRow
from pipelines.store.packed import RowFormat
from pipelines.store.protobuf import decoded_time, decoded_value

Key = tuple[str, ...]
Reply = Sequence[bytes | None]

_DAY_US: Final = 86_400_000_000
_EVER: Final = -(2**63)
FOREIGN: Final = OnlineRow(0, 0, None)
"""Stands for a row whose packed copy is not there or not of the same time: read Feast's fields."""


class OnlineView:
    """Reads the rows of one view from replies of Valkey; times in microseconds."""

    def __init__(self, spec: ViewSpec) -> None:
        self.spec = spec
        self.entity = Entity(spec.entity_columns)
        self.packed_fields = (row_field(spec.name), timestamp_field(spec.name))
        self.feast_fields = (
            timestamp_field(spec.name),
            feature_field(spec.name, CREATED_TIMESTAMP),
            *(feature_field(spec.name, column.name) for column in spec.columns),
        )
        self._types = [column.dtype for column in spec.columns]
        self._ttl_us = spec.ttl_days * _DAY_US
        self._unpack = RowFormat(spec).unpack

    def rows(
        self, replies: Mapping[Key, Reply], first: int, as_of_us: int
    ) -> dict[Key, OnlineRow | None]:
        """Read replies that hold `packed_fields` from place `first` on.

        A key without a row has None; one whose packed copy is not there, or not of the same
        time as Feast's fields, has FOREIGN.
        """
        oldest_us = as_of_us - self._ttl_us if self._ttl_us else _EVER
        unpack = self._unpack
        rows: dict[Key, OnlineRow | None] = {}
        for key, reply in replies.items():
            packed, time = reply[first], reply[first + 1]
            if time is None:
                rows[key] = None
            else:
                row = unpack(packed, time, oldest_us) if packed else None
                rows[key] = row or FOREIGN
        return rows

    def feast_row(self, reply: Reply, as_of_us: int) -> OnlineRow | None:
        """Read a reply to `feast_fields`; None where the key has no row."""
        time, created, *values = reply
        if time is None:
            return None
        event_us = decoded_time(time)
        # Feast's own materialisation does not write when a row was created.
        created_us: Any = decoded_value(created, pa.int64())
        plain = tuple(map(decoded_value, values, self._types))
        has_expired = self._ttl_us and event_us + self._ttl_us < as_of_us
        return OnlineRow(event_us, created_us or event_us, None if has_expired else plain)
