"""How a risk is told: what it is of, how great it is, and why."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, RiskKind, Severity
from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, require_columns

RISK_COLUMNS: Final = ("kind", "subject_id", "score", "level", "reason", AS_OF)
WARNING_SCORE: Final = 0.5
CRITICAL_SCORE: Final = 0.75


def risk_frame(
    kind: RiskKind,
    subject_ids: Sequence[str],
    scores: Sequence[float],
    reasons: Sequence[str],
    as_of: pd.Timestamp,
) -> pd.DataFrame:
    """Return the risks, the greatest first: kind, subject_id, score, level, reason, as_of."""
    score = np.asarray(scores, dtype=float)
    level = np.select(
        [score >= CRITICAL_SCORE, score >= WARNING_SCORE],
        [Severity.CRITICAL.value, Severity.WARNING.value],
        Severity.INFO.value,
    )
    frame = pd.DataFrame(
        {
            "kind": kind.value,
            "subject_id": pd.Series(list(subject_ids), dtype=object),
            "score": score,
            "level": level,
            "reason": pd.Series(list(reasons), dtype=object),
        }
    ).assign(**{AS_OF: as_of})
    return frame.sort_values(
        ["score", "subject_id"], ascending=[False, True], kind="stable", ignore_index=True
    )


def daily(
    view: pd.DataFrame, key: str, columns: Sequence[str], as_of: pd.Timestamp, day_count: int
) -> dict[str, pd.DataFrame]:
    """Return a table (days, subjects) of each column: a view's value as known at each day's end.

    A view has a row only where something changed: between its rows a value holds. Before a
    subject's first row, values are missing.

    Args:
        view: rows of a feature view, with both timestamps; not changed.
        key: the view's entity.
        columns: of the view.
        as_of: rows that were not known by then are not read; the last day ends here.
        day_count: days before and with the last.

    Raises:
        TrainingError: a column is missing, or `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise TrainingError(f"as_of has no time zone: {as_of}. Give it one, say UTC.")
    require_columns(view, [key, EVENT_TIMESTAMP, CREATED_TIMESTAMP, *columns], f"rows of {key}")
    known = view[(view[CREATED_TIMESTAMP] <= as_of) & (view[EVENT_TIMESTAMP] <= as_of)]
    known = known.sort_values([EVENT_TIMESTAMP, CREATED_TIMESTAMP], kind="stable")
    known = known.drop_duplicates([key, EVENT_TIMESTAMP], keep="last")
    ends = pd.date_range(end=as_of, periods=day_count, freq="D").as_unit("us")
    tables = {}
    for column in columns:
        wide = known.pivot_table(
            index=EVENT_TIMESTAMP, columns=key, values=column, aggfunc="last", observed=True
        )
        wide = wide.astype(float).ffill()
        tables[column] = wide.reindex(ends, method="ffill")
    return tables
