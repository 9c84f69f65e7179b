"""One answer as it is remembered: what was asked, known, answered, and by which version."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import pandas as pd

# PostgreSQL's JSONB refuses this one character.
_NUL: Final = "\x00"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class LoggedPrediction:
    """One row of the table `predictions`; see there for the meaning of each column."""

    prediction_id: UUID
    model_name: str
    model_version: str
    model_alias: str | None
    workflow_id: str
    as_of: datetime
    features_known_at: datetime | None
    requested_at: datetime
    latency_ms: float
    inputs: Mapping[str, Any]
    features: Mapping[str, Any]  # as the model was given them
    output: Mapping[str, Any]
    is_degraded: bool = False
    variant: str | None = None
    propensity: float | None = None
    cached_from: UUID | None = None
    task_id: str | None = field(default=None)

    @property
    def key(self) -> str:
        """What tells it from every other prediction."""
        return str(self.prediction_id)

    @property
    def at(self) -> datetime:
        """When it was asked for."""
        return self.requested_at

    def row(self) -> dict[str, Any]:
        """Return the table's columns, all JSON values plain ones."""
        values = dict(vars(self))
        for name in ("inputs", "features", "output"):
            values[name] = plain(values[name])
        return values


def plain(value: Any) -> Any:
    """Turn a value into what JSONB can hold: missing and not finite numbers become null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        # Nor half a surrogate pair, which UTF-8 does not have either.
        return value.replace(_NUL, _REPLACEMENT).encode(errors="replace").decode()
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if pd.isna(value):  # pandas' own kinds of missing
        return None
    return value.isoformat() if isinstance(value, date) else plain(str(value))
