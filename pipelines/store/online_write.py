"""Write rows of a view to the online store: Feast's fields and the packed row, in one command."""

from collections.abc import Sequence

import pyarrow as pa

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.store.addresses import Entity, feature_field, row_field, timestamp_field
from pipelines.store.packed import RowFormat
from pipelines.store.protobuf import encoded_times, encoded_values
from pipelines.store.valkey import Valkey, bulk, command_start, require


class OnlineWriter:
    """Writes rows of one view."""

    def __init__(self, spec: ViewSpec, valkey: Valkey) -> None:
        self._spec = spec
        self._valkey = valkey
        self._entity = Entity(spec.entity_columns)
        self._format = RowFormat(spec)
        # Beside the features goes when the row was known, which Feast does not keep online.
        self._features = [CREATED_TIMESTAMP, *(column.name for column in spec.columns)]
        fields = [feature_field(spec.name, name) for name in self._features]
        fields += [timestamp_field(spec.name), row_field(spec.name)]
        self._fields = [bulk(field) for field in fields]
        self._start = command_start(b"HSET", 1 + 2 * len(fields))

    def write(self, rows: pa.Table) -> list[bytes]:
        """Write rows (the view's schema, one a key) in one round trip; return their addresses.

        Raises:
            redis.RedisError: Valkey does not answer in time, or refuses.
        """
        addresses, commands = self.commands(rows)
        for reply in self._valkey.ask(commands):
            require(reply)
        return addresses

    def commands(self, rows: pa.Table) -> tuple[list[bytes], list[bytes]]:
        """Return the rows' addresses and the commands that write them."""
        keys = zip(*(rows.column(n).to_pylist() for n in self._entity.names), strict=True)
        addresses = [self._entity.address(key) for key in keys]
        columns = [encoded_values(rows.column(name)) for name in self._features]
        columns += [encoded_times(rows.column(EVENT_TIMESTAMP)), self._format.pack(rows)]
        parts = [_arguments(f, values) for f, values in zip(self._fields, columns, strict=True)]
        commands = [
            b"".join((self._start, bulk(address), *arguments))
            for address, *arguments in zip(addresses, *parts, strict=True)
        ]
        return addresses, commands


def _arguments(field: bytes, values: Sequence[bytes]) -> list[bytes]:
    return [b"%b$%d\r\n%b\r\n" % (field, len(value), value) for value in values]
