"""One view as it lies in the online store: which fields to ask for, and what they say."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from pipelines.contracts import CREATED_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.store.addresses import Entity, feature_field, row_field, timestamp_field
from pipelines.store.online_rows import OnlineRow
from pipelines.store.packed import RowFormat
from pipelines.store.protobuf import decoded_time, decoded_value

Reply = Sequence[bytes | None]

_DAY_US: Final = 86_400_000_000
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

    def row(self, packed: bytes | None, time: bytes | None, as_of_us: int) -> OnlineRow | None:
        """Read a reply to `packed_fields`; None where the key has no row, maybe FOREIGN."""
        if time is None:
            return None
        row = None if packed is None else self._unpack(packed)
        if row is None or row.event_us != decoded_time(time):
            return FOREIGN
        return self._living(row, as_of_us)

    def feast_row(self, reply: Reply, as_of_us: int) -> OnlineRow | None:
        """Read a reply to `feast_fields`; None where the key has no row."""
        time, created, *values = reply
        if time is None:
            return None
        event_us = decoded_time(time)
        # Feast's own materialisation does not write when a row was created.
        created_us: Any = decoded_value(created, pa.int64())
        plain = tuple(map(decoded_value, values, self._types))
        return self._living(OnlineRow(event_us, created_us or event_us, plain), as_of_us)

    def _living(self, row: OnlineRow, as_of_us: int) -> OnlineRow:
        if self._ttl_us and row.event_us + self._ttl_us < as_of_us:
            return OnlineRow(row.event_us, row.created_us, None)
        return row
