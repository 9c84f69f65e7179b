"""What of two periods can be compared, column by column, and what is left out and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from pipelines.errors import MonitoringError

# A text column with more different values than this is an id for the eye and for the test:
# its distance between two samples says more about their size than about the world.
MAX_LEVELS: Final = 300
KNOWN: Final = "known"
MISSING: Final = "missing"


@dataclass(frozen=True)
class ComparableFrames:
    """Two periods with the same columns, of the kinds the drift tests take."""

    reference: pd.DataFrame
    current: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    presence_only: tuple[str, ...]  # empty in one period: compared as known or missing
    left_out: tuple[tuple[str, str], ...]  # column and reason


def comparable_frames(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    max_levels: int = MAX_LEVELS,
) -> ComparableFrames:
    """Bring both periods to the columns, kinds and values that drift tests can compare.

    A column empty in both periods is left out; one that is empty in a single period is
    compared as known or missing, since no distance is defined for it and its vanishing is
    the finding. Infinite numbers count as missing. The inputs stay as they are.

    Raises:
        MonitoringError: a named column is absent, or named in both kinds.
    """
    _check_columns(reference, current, numeric, categorical)
    left: dict[str, pd.Series] = {}
    right: dict[str, pd.Series] = {}
    kinds: dict[str, list[str]] = {"numeric": [], "categorical": [], "presence": []}
    left_out: list[tuple[str, str]] = []
    for column in [*numeric, *categorical]:
        clean = _numbers if column in numeric else _labels
        before, after = clean(reference[column]), clean(current[column])
        if before.isna().all() and after.isna().all():
            left_out.append((column, "empty in both periods"))
            continue
        levels = pd.concat([before, after]).nunique()
        if column in categorical and levels > max_levels:
            left_out.append((column, f"{levels} different values, more than {max_levels}"))
            continue
        if before.isna().all() or after.isna().all():
            kinds["presence"].append(column)
            before, after = _presence(before), _presence(after)
        else:
            kinds["numeric" if column in numeric else "categorical"].append(column)
        left[column], right[column] = before, after
    return ComparableFrames(
        reference=pd.DataFrame(left, index=reference.index),
        current=pd.DataFrame(right, index=current.index),
        numeric=tuple(kinds["numeric"]),
        categorical=(*kinds["categorical"], *kinds["presence"]),
        presence_only=tuple(kinds["presence"]),
        left_out=tuple(left_out),
    )


def _check_columns(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
) -> None:
    both = sorted(set(numeric) & set(categorical))
    if both:
        raise MonitoringError(f"Columns named as numeric and as categorical: {', '.join(both)}")
    for period, frame in (("reference", reference), ("current", current)):
        absent = [c for c in [*numeric, *categorical] if c not in frame.columns]
        if absent:
            raise MonitoringError(
                f"The {period} period lacks the columns {', '.join(absent)}; "
                "both periods must come from the same feature service."
            )


def _numbers(values: pd.Series) -> pd.Series:
    """Turn into floats; what is no number raises, infinite becomes missing."""
    if isinstance(values.dtype, pd.BooleanDtype) or values.dtype == np.bool_:
        values = values.astype("Int8")
    try:
        numbers = pd.to_numeric(values).astype("float64")
    except (ValueError, TypeError) as err:
        raise MonitoringError(
            f"Column {values.name} is named as numeric but holds something else: {err}"
        ) from err
    return numbers.replace([np.inf, -np.inf], np.nan)


def _labels(values: pd.Series) -> pd.Series:
    """Turn into text labels (flags and categories included), missing stays missing."""
    labels = values.astype("object")
    return labels.where(labels.isna(), labels.astype("str")).mask(labels.isna(), None)


def _presence(values: pd.Series) -> pd.Series:
    return pd.Series(np.where(values.isna(), MISSING, KNOWN), index=values.index, dtype="object")
