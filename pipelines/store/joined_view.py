"""What a view to be joined is, as data."""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class JoinedView:
    """What to join: where the rows lie, by which columns, and how their values are called."""

    name: str
    url: str
    keys: tuple[tuple[str, str], ...]  # (source column, column of the entity frame)
    features: tuple[tuple[str, str], ...]  # (source column, name in the result)
    types: tuple[pa.DataType, ...]  # of the features, for a source without files
    event: str
    created: str | None
    ttl_us: int  # 0: rows never expire
