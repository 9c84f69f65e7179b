"""Random rows of any feature view, one a key, for benchmarks of the online store."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from pipelines.features.views import ViewSpec
from pipelines.history.schema import TIMESTAMP

_MILLION: Final = 1_000_000
_DAY_US: Final = 86_400 * _MILLION


def random_rows(
    spec: ViewSpec,
    keys: Mapping[str, Sequence[str]],
    until: datetime,
    rng: np.random.Generator,
) -> pa.Table:
    """Make a row for each key, of the last day before `until`.

    Args:
        spec: the view.
        keys: entity columns, and any other text column whose words shall be these; a column that
            is no entity's is drawn from them.
        until: rows are older.
        rng: of the values.
    """
    count = len(keys[spec.entity_columns[0]])
    columns = {
        column.name: (
            pa.array(keys[column.name], column.dtype)
            if column.name in spec.entity_columns
            else _values(column.dtype, keys.get(column.name, ("a", "b", "{}")), count, until, rng)
        )
        for column in (*spec.entities, *spec.columns)
    }
    columns[EVENT_TIMESTAMP] = columns[CREATED_TIMESTAMP] = _times(count, until, rng)
    return pa.table([columns[name] for name in spec.schema.names], schema=spec.schema)


def _values(
    dtype: pa.DataType,
    words: Sequence[str],
    count: int,
    until: datetime,
    rng: np.random.Generator,
) -> pa.Array:
    if dtype == pa.string():
        return pa.array(rng.choice(np.asarray(words, object), count), dtype)
    if dtype == TIMESTAMP:
        return _times(count, until, rng)
    if dtype == pa.float64():
        return pa.array(rng.random(count) * _MILLION)
    return pa.array(rng.integers(0, 100, count)).cast(dtype)


def _times(count: int, until: datetime, rng: np.random.Generator) -> pa.Array:
    first = np.datetime64((until - timedelta(days=1)).replace(tzinfo=None), "us")
    offsets = rng.integers(0, _DAY_US, count).astype("timedelta64[us]")
    return pa.array(first + offsets).cast(TIMESTAMP)
