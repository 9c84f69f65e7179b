"""Conformal intervals: quantile scores widened until they cover, group by group.

A booster's quantiles rarely cover later rows as often as they should. Conformalised quantile
regression (Romano, Patterson and Candes, 2019) moves both ends by a quantile of what they missed
on rows the booster has not seen; for rows that are exchangeable with those, the interval covers
at least as often as asked. Done for each group alone (Mondrian conformal prediction: Vovk,
Gammerman and Shafer, Algorithmic Learning in a Random World, 2005) that holds in each group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from mapie.regression import ConformalizedQuantileRegressor  # type: ignore[import-untyped]
from sklearn.base import BaseEstimator, RegressorMixin

from pipelines.errors import TrainingError

Values = npt.NDArray[np.float64]
Groups = npt.NDArray[np.object_]
Codes = npt.NDArray[np.int64]
Ends = tuple[float, float]

# A group with fewer calibration rows shares its margins with the other small groups.
LEAST_OF_GROUP: Final = 100


@dataclass(frozen=True)
class Margins:
    """By how much the lower end falls and the upper end rises, in the scores' unit, by group.

    `rest` holds for every group that is not in `of_group`. Negative margins narrow.
    """

    rest: Ends
    of_group: Mapping[str, Ends]

    def widen(self, lower: Values, upper: Values, group: Groups) -> tuple[Values, Values]:
        """Return both ends with the margins of each row's group."""
        margins = np.array([self.of_group.get(name, self.rest) for name in group])
        margins = margins.reshape(-1, 2)
        return lower - margins[:, 0], upper + margins[:, 1]

    def to_spec(self) -> dict[str, Any]:
        """Return the margins as plain data for JSON."""
        of_group = {name: list(ends) for name, ends in sorted(self.of_group.items())}
        return {"rest": list(self.rest), "of_group": of_group}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read the margins back from `to_spec`'s data."""
        return cls(spec["rest"], spec["of_group"])


def calibrate(
    lower: Values,
    upper: Values,
    actual: Values,
    group: Groups,
    coverage: float,
    *,
    weight: Values | None = None,
    workflow: Codes | None = None,
    symmetric: bool = False,
    least_of_group: int = LEAST_OF_GROUP,
) -> Margins:
    """Find the margins with which the interval covers, in each group with enough rows.

    Args:
        lower: lower quantile scores of rows the booster was not trained on.
        upper: upper quantile scores of the same rows.
        actual: what came true, in the scores' unit.
        group: each row's group.
        coverage: share of rows to cover, between 0 and 1.
        weight: how much each row counts; all alike where None. With weights the guarantee is
            that of weighted conformal prediction (Tibshirani and others, 2019), a new row
            weighing as much as the mean row.
        workflow: which rows belong together; each is its own where None. Rows of one workflow
            miss together, so that a new row weighs as much as the mean workflow: there is no
            more to learn from than there are workflows (hierarchical conformal prediction:
            Dunn, Wasserman and Ramdas, 2023).
        symmetric: both ends move by as much, and only their joint coverage is held; otherwise
            each end alone is missed by half of what may be missed.
        least_of_group: rows a group needs for margins of its own.

    Raises:
        TrainingError: there are too few rows for this coverage.
    """
    miss_ratio = (1 - coverage) if symmetric else (1 - coverage) / 2
    fewest = int(1 / miss_ratio) + 1  # with fewer, only an endless interval would do
    if len(actual) < fewest:
        raise TrainingError(
            f"{len(actual)} rows cannot calibrate a coverage of {coverage:.0%}: "
            f"{fewest} are needed at least."
        )

    def margins(rows: npt.NDArray[np.bool_]) -> Ends:
        if weight is None and workflow is None:
            return _by_mapie(lower[rows], upper[rows], actual[rows], coverage, symmetric=symmetric)
        below, above = (lower - actual)[rows], (actual - upper)[rows]
        if symmetric:
            below = above = np.maximum(below, above)
        weights = np.ones(len(below)) if weight is None else weight[rows]
        count = len(below) if workflow is None else len(np.unique(workflow[rows]))
        new = float(weights.sum()) / count
        return (
            _weighted(below, weights, new, 1 - miss_ratio),
            _weighted(above, weights, new, 1 - miss_ratio),
        )

    names, counts = np.unique(group.astype(str), return_counts=True)
    least = max(least_of_group, fewest)
    large = [str(name) for name, count in zip(names, counts, strict=True) if count >= least]
    others = ~np.isin(group.astype(str), large)
    everything = np.ones(len(actual), dtype=bool)
    return Margins(
        rest=margins(others if others.sum() >= least else everything),
        of_group={name: margins(group == name) for name in large},
    )


class _Score(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Tell MAPIE one column of scores that are there already."""

    is_fitted = True

    def __init__(self, column: int) -> None:
        self.column = column

    def predict(self, scores: Values) -> Values:
        """Return the column."""
        return scores[:, self.column]

    def fit(self, _scores: Values, _actual: Values) -> Self:
        """Do nothing: MAPIE asks for the method."""
        return self


def _by_mapie(
    lower: Values, upper: Values, actual: Values, coverage: float, *, symmetric: bool
) -> Ends:
    scores = np.column_stack([lower, upper, (lower + upper) / 2])
    regressor = ConformalizedQuantileRegressor(
        [_Score(0), _Score(1), _Score(2)], confidence_level=coverage, prefit=True
    ).conformalize(scores, actual)
    # So far apart that margins, which are no larger than what was missed, cannot make them cross.
    apart = 2.0 * float(np.abs(regressor.conformity_scores).max()) + 1.0
    _, interval = regressor.predict_interval(
        np.array([[-apart, apart, 0.0]]), symmetric_correction=symmetric
    )
    return float(-apart - interval[0, 0, 0]), float(interval[0, 1, 0] - apart)


def _weighted(scores: Values, weight: Values, new: float, share: float) -> float:
    """Return the score that `share` of the weight does not exceed, a new row's counted in."""
    # Should the new row alone weigh more than may be missed, the largest score is all there is.
    with_new = np.append(scores, scores.max())
    weights = np.append(weight, new)
    return float(np.quantile(with_new, share, weights=weights, method="inverted_cdf"))
