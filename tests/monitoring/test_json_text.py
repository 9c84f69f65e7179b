import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from pipelines.monitoring.json_text import json_text

AT = datetime(2016, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
UUID_OF_ONE = UUID(int=1)
KINDS: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "flag": (True, True),
    "count": (10**30, 10**30),
    "share": (0.1, 0.1),
    "nan": (float("nan"), None),
    "infinite": (-np.inf, None),
    "NumPy's": (np.float32(0.5), 0.5),
    "NumPy's flag": (np.bool_(True), True),  # noqa: FBT003
    "NumPy's nan": (np.float64("nan"), None),
    "pandas' missing": (pd.NA, None),
    "pandas' moment": (pd.Timestamp(AT), "2016-03-01T12:00:00.000005Z"),
    "moment": (AT, "2016-03-01T12:00:00.000005Z"),
    "day": (date(2016, 3, 1), "2016-03-01"),
    "id": (UUID_OF_ONE, str(UUID_OF_ONE)),
    "text": ('"d\N{LATIN SMALL LETTER E WITH ACUTE}f" \\u0000', '"d\u00e9f" \\u0000'),
    "list": ((1, [np.int64(2), np.nan]), [1, [2, None]]),
    "array": (np.array([1.5, np.nan]), [1.5, None]),
    "mapping": ({1: {"a": np.int8(1)}}, {"1": {"a": 1}}),
}
# What pydantic alone cannot write, or PostgreSQL not take.
HARD: dict[str, tuple[Any, Any]] = {
    "missing moment": (pd.NaT, None),
    "NUL": ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
    "half a pair": ("a\ud800", "a?"),
    "NUL in a name": ({"\x00": 1}, {"\N{REPLACEMENT CHARACTER}": 1}),
}


@pytest.mark.parametrize("kind", [*KINDS, *HARD])
def test_every_kind_becomes_what_jsonb_holds(kind: str) -> None:
    value, expected = {**KINDS, **HARD}[kind]

    assert json.loads(json_text(value)) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beside", HARD)
def test_what_is_hard_to_write_changes_nothing_beside_it(kind: str, beside: str) -> None:
    value, expected = KINDS[kind]
    hard, of_hard = HARD[beside]

    assert json.loads(json_text({"a": value, "b": hard})) == {"a": expected, "b": of_hard}


def test_a_value_of_an_unknown_kind_is_its_text() -> None:
    class Thing:
        def __str__(self) -> str:
            return "a thing"

    assert json.loads(json_text({"a": Thing(), "b": pd.NaT})) == {"a": "a thing", "b": None}
    assert json.loads(json_text({"a": Thing()})) == {"a": "a thing"}
