"""What a read of the online store gives: plain values, None where something is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from pipelines.features.views import ViewSpec
from pipelines.store.frames import typed_frame
from pipelines.store.protobuf import as_datetime


class OnlineRow(NamedTuple):
    """One key's row: times in microseconds; features in the view's order, None once expired."""

    event_us: int
    created_us: int
    features: tuple[Any, ...] | None

    @property
    def known_at(self) -> datetime | None:
        """When the row was true and known; None once it has expired."""
        if self.features is None:
            return None
        return as_datetime(max(self.event_us, self.created_us))


@dataclass(frozen=True)
class ViewRows:
    """A view's rows for the keys asked for, in their order; None for a key without a row."""

    spec: ViewSpec
    rows: Sequence[OnlineRow | None]

    @property
    def is_found(self) -> list[bool]:
        """Whether a key has a row, expired or not."""
        return [row is not None for row in self.rows]

    @property
    def known_at(self) -> list[datetime | None]:
        """When each row was known; None without one, or once it has expired."""
        return [None if row is None else row.known_at for row in self.rows]

    @property
    def columns(self) -> dict[str, Sequence[Any]]:
        """A column for each feature."""
        names = [column.name for column in self.spec.columns]
        blank = (None,) * len(names)
        whole = [blank if row is None else row.features or blank for row in self.rows]
        columns = list(zip(*whole, strict=True)) if whole else [()] * len(names)
        return dict(zip(names, columns, strict=True))


@dataclass(frozen=True)
class ServiceRows:
    """Columns of plain values for the rows asked for, and the Arrow type of each."""

    columns: Mapping[str, Sequence[Any]]
    types: Mapping[str, pa.DataType]

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as column -> value."""
        names = list(self.columns)
        return [
            dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True)
        ]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as a training set has them; see `typed_frame` for the types."""
        return typed_frame(
            pa.table({name: pa.array(v, self.types[name]) for name, v in self.columns.items()})
        )

    def with_columns(
        self, columns: Mapping[str, Sequence[Any]], types: Mapping[str, pa.DataType]
    ) -> "ServiceRows":
        """Return the rows with columns replaced or added behind."""
        return ServiceRows({**self.columns, **columns}, {**self.types, **types})
