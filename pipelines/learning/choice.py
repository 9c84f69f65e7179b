"""What a search tried, and the few of it that are blended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams
from pipelines.learning.examples import Values
from pipelines.learning.problem import Problem
from pipelines.learning.space import Learner

_MOST_PICKS: Final = 10


@dataclass(frozen=True)
class Trial:
    """One learner tried: `validation_loss` is plain, without what larger sets have to earn."""

    number: int
    learner: Learner
    column_set: str
    params: TreeParams
    rounds: int
    validation_loss: float
    validation_raw: Values = field(repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was tried, as plain values."""
        half_life_ratio = self.params.half_life_ratio
        return {
            "learner": self.learner.value,
            "column_set": self.column_set,
            "half_life_ratio": None if half_life_ratio == NO_HALF_LIFE else half_life_ratio,
            "num_leaves": self.params.num_leaves,
            "min_rows_in_leaf": self.params.min_rows_in_leaf,
            "feature_ratio": round(self.params.feature_ratio, 3),
            "forest_rows_in_leaf": self.params.forest_rows_in_leaf,
            "booster_count": self.params.booster_count,
            "rounds": self.rounds,
        }


@dataclass(frozen=True)
class Choice:
    """Trials, and how much weight those have that are blended, by trial number.

    Weights that sum to less than one draw the answers towards zero.
    """

    trials: tuple[Trial, ...]
    weights: Mapping[int, float]
    validation_loss: float

    @property
    def members(self) -> tuple[Trial, ...]:
        """Trials that are blended, the heaviest first."""
        numbers = sorted(self.weights, key=lambda number: (-self.weights[number], number))
        return tuple(self.trials[number] for number in numbers)

    @property
    def validation_raw(self) -> Values:
        """What the blend says of the validation rows."""
        parts = [weight * self.trials[n].validation_raw for n, weight in self.weights.items()]
        return np.asarray(np.sum(parts, axis=0))

    @property
    def tried(self) -> list[dict[str, Any]]:
        """Return every trial as plain data: its weight, the loss it reached and what it was."""
        return [
            {"weight": self.weights.get(one.number, 0.0), "reached": one.validation_loss}
            | one.settings
            for one in self.trials
        ]


def choose(
    trials: Sequence[Trial],
    target: Values,
    weight: Values,
    problem: Problem,
    sets: Sequence[str],
) -> Choice:
    """Blend trials: add one at a time, with repetition, while that lowers the loss.

    Greedy ensemble selection (Caruana and others, ICML 2004), with few trials. Where answers may
    shrink, zero can be added like a trial, but not first.

    Args:
        trials: what was tried, numbered in order.
        target: of the validation rows.
        weight: of the validation rows.
        problem: how loss and price are reckoned.
        sets: names of the sets of columns, smallest first.
    """

    def _price(weights: Mapping[int, float]) -> float:
        """Return the loss of a blend with what the dearest of its members has to earn."""
        blend = Choice(tuple(trials), weights, 0.0)
        loss = problem.loss(blend.validation_raw, target, weight)
        return max(
            problem.price(loss, sets.index(one.column_set), one.params.half_life_ratio)
            for one in blend.members
        )

    space = problem.space
    picks: list[int | None] = []  # numbers of trials; None says zero
    least = float("inf")
    while len(picks) < _MOST_PICKS:
        known = [number for number in dict.fromkeys(picks) if number is not None]
        candidates: list[int | None] = [*known]
        if len(known) < space.most_trials:
            candidates = [one.number for one in trials]
        if picks and space.shrinks:
            candidates.append(None)
        prices = [_price(_weighted([*picks, one])) for one in candidates]
        best = int(np.argmin(prices))
        if prices[best] >= least:
            break
        least = prices[best]
        picks.append(candidates[best])
    choice = Choice(tuple(trials), _weighted(picks), least)
    return replace(choice, validation_loss=problem.loss(choice.validation_raw, target, weight))


def _weighted(picks: Sequence[int | None]) -> dict[int, float]:
    return {
        number: picks.count(number) / len(picks)
        for number in dict.fromkeys(picks)
        if number is not None
    }
