"""Remaining time of a workflow: its median, and the 10 % and 90 % quantiles around it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.boosting import Boosted, BoostingParams, Examples, boost
from pipelines.learning.choose_columns import is_own_history
from pipelines.learning.columns import base_name
from pipelines.learning.encode import Encoder, Kind, Matrix
from pipelines.learning.intervals import Groups, Margins, calibrate
from pipelines.learning.metrics import HOUR_S, Metrics, duration_metrics

Values = npt.NDArray[np.float64]

MEDIAN_BOOSTER: Final = "p50"
COVERAGE: Final = 0.8  # of the interval from p10 to p90
_GROUPINGS: Final = ("template_id", "last_activity")  # the first one that varies
_OBJECTIVES: Final[dict[str, dict[str, Any]]] = {
    "p10": {"objective": "quantile", "alpha": 0.1, "metric": "quantile"},
    MEDIAN_BOOSTER: {"objective": "regression_l1", "metric": "l1"},
    "p90": {"objective": "quantile", "alpha": 0.9, "metric": "quantile"},
}
MAIN_OBJECTIVE: Final = _OBJECTIVES[MEDIAN_BOOSTER]
_COLUMNS: Final = {
    MEDIAN_BOOSTER: "remaining_time_s",
    "p10": "remaining_time_s_p10",
    "p90": "remaining_time_s_p90",
}


def to_target(remaining_time_s: pd.Series) -> Values:
    """Return log(1 + hours): an hour more matters less the longer the wait already is."""
    hours: Values = np.maximum(remaining_time_s.to_numpy(dtype=float), 0) / HOUR_S
    return np.log1p(hours)


def fit(
    examples: Examples, params: BoostingParams, seed: int
) -> tuple[dict[str, Boosted], dict[str, Any]]:
    """Train the three boosters; return them and the margins that make the interval cover.

    The median minimises the absolute error of log hours, the quantiles the pinball loss. The
    quantiles read the workflow's own history only: loads and volumes drift, and on later rows
    of public logs, quantiles that read them covered less often and were no narrower.

    The margins come from the validation rows (see `intervals`), for each template or, where
    there is one only, for each last activity; the boosters' `validation_raw` includes them.
    """
    own_history = _own_history(examples)
    boosted = {
        name: boost(examples if name == MEDIAN_BOOSTER else own_history, objective, params, seed)
        for name, objective in _OBJECTIVES.items()
    }
    column = _group_column(examples.encoder)
    groups = groups_of(examples.encoder, examples.matrix[examples.validation], column)
    low, high = boosted["p10"], boosted["p90"]
    margins = calibrate(
        low.validation_raw,
        high.validation_raw,
        examples.target[examples.validation],
        groups,
        COVERAGE,
        weight=examples.weight[examples.validation],
    )
    lower, upper = margins.widen(low.validation_raw, high.validation_raw, groups)
    boosted["p10"] = replace(low, validation_raw=lower)
    boosted["p90"] = replace(high, validation_raw=upper)
    return boosted, {"group_column": column, "margins": margins.to_spec()}


def groups_of(encoder: Encoder, matrix: Matrix, column: str | None) -> Groups:
    """Return the group of each row whose margins hold for it; one for all where `column` is None.

    Args:
        encoder: the one the rows were encoded with.
        matrix: encoded rows.
        column: `group_column` of what `fit` returned.
    """
    if column is None:
        return np.full(len(matrix), "", dtype=object)
    return encoder.levels_of(column, matrix)


def answers(
    raw: Mapping[str, Values], fitted: Mapping[str, Any], groups: Groups
) -> dict[str, Values]:
    """Turn the boosters' scores into seconds: ordered p10 <= median <= p90, never negative."""
    margins = Margins.from_spec(fitted["margins"])
    lower, upper = margins.widen(raw["p10"], raw["p90"], groups)
    return _in_seconds({**raw, "p10": lower, "p90": upper})


def validation_metrics(
    boosted: Mapping[str, Boosted], _fitted: Mapping[str, Any], remaining_time_s: pd.Series
) -> Metrics:
    """Measure the validation rows, the margins having seen them."""
    predicted = _in_seconds({name: b.validation_raw for name, b in boosted.items()})
    return duration_metrics(
        remaining_time_s.to_numpy(dtype=float) / HOUR_S,
        {name: values / HOUR_S for name, values in predicted.items()},
    )


def _own_history(examples: Examples) -> Examples:
    """Blank the other columns: trees do not split on what does not vary."""
    matrix = examples.matrix.copy()
    matrix[:, [not is_own_history(column) for column in examples.encoder.columns]] = 0.0
    return replace(examples, matrix=matrix)


def _group_column(encoder: Encoder) -> str | None:
    """Return the column to calibrate by; a template is a column only where it varies."""
    categories = {base_name(c.name): c.name for c in encoder.columns if c.kind is Kind.CATEGORY}
    return next((categories[name] for name in _GROUPINGS if name in categories), None)


def _in_seconds(raw: Mapping[str, Values]) -> dict[str, Values]:
    median = raw[MEDIAN_BOOSTER]
    ends = [raw["p10"], raw["p90"], median]
    seconds = {
        MEDIAN_BOOSTER: _to_seconds(median),
        "p10": _to_seconds(np.minimum.reduce(ends)),
        "p90": _to_seconds(np.maximum.reduce(ends)),
    }
    return {column: seconds[name] for name, column in _COLUMNS.items()}


def _to_seconds(log_hours: Values) -> Values:
    return np.maximum(np.expm1(log_hours), 0.0) * HOUR_S
