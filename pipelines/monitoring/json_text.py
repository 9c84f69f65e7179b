"""Values of any kind as JSON that PostgreSQL's JSONB can hold."""

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from pydantic_core import PydanticSerializationError, to_json

# JSONB refuses this one character.
_NUL: Final = "\x00"
_NUL_ESCAPED: Final = rb"\u0000"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def json_text(value: Any) -> str:
    """Write a value as JSON: missing and not finite numbers become null, moments RFC 3339.

    NUL and half a surrogate pair, which JSONB and UTF-8 do not have, are replaced.
    """
    try:
        text = to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:  # no UTF-8, or a kind of NumPy or pandas
        return json.dumps(_plain(value))
    return json.dumps(_plain(value)) if _NUL_ESCAPED in text else text.decode()


def _plain(value: Any) -> Any:
    """Turn a value into what JSONB can hold, ten times as slowly as pydantic, whatever it is."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT).encode(errors="replace").decode()
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_plain(item) for item in value]
    if pd.isna(value):  # pandas' own kinds of missing
        return None
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    return _plain(value.item() if isinstance(value, np.generic) else str(value))
