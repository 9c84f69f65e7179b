"""What a search may try: learners, columns, hyper-parameters, and what it tries first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import optuna

from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams
from pipelines.learning.column_sets import SETS

_HALF_LIVES: Final = {"none": NO_HALF_LIFE, "half": 0.5, "quarter": 0.25, "tenth": 0.1}


class Learner(StrEnum):
    """What is trained.

    Of a pair each says half, and that is not asked of the validation rows: they stopped the
    boosting, and so flatter it.
    """

    BOOSTING = "boosting"
    FOREST = "forest"
    PAIR = "boosting and forest"

    @property
    def is_boosted(self) -> bool:
        """Whether boosted trees are in it."""
        return self is not Learner.FOREST

    @property
    def has_forest(self) -> bool:
        """Whether a forest is in it."""
        return self is not Learner.BOOSTING


@dataclass(frozen=True)
class Space:
    """The bounds of a search; to narrow it shows what a choice is worth.

    `least_gain` is the share of the loss that each larger set of columns has to earn,
    `half_lives` how recent rows may be weighted (see `Examples.tree_weight`), `recency_gain` the
    share of the loss that this has to earn, and `shrinks` whether answers may be drawn towards
    zero, where zero is an answer like any other.
    """

    learners: tuple[Learner, ...] = (Learner.BOOSTING,)
    column_sets: tuple[str, ...] = SETS
    half_lives: tuple[str, ...] = tuple(_HALF_LIVES)
    least_gain: float = 0.005
    recency_gain: float = 0.0
    most_trials: int = 3
    shrinks: bool = False

    def sets_of(self, names: Sequence[str]) -> list[str]:
        """Return those of some sets that may be tried, in their order; at least the smallest."""
        return [name for name in names if name in self.column_sets] or list(names[:1])

    def first_trials(self, sets: Sequence[str]) -> list[dict[str, Any]]:
        """Return the defaults on every set, and on the smallest with recent rows weighted."""
        fixed = [_first(learner, name) for learner in self.learners for name in sets]
        if "quarter" in self.half_lives:
            fixed += [_first(learner, sets[0], "quarter") for learner in self.learners]
        return fixed

    def suggest(
        self, trial: optuna.Trial, sets: Sequence[str], base: TreeParams
    ) -> tuple[Learner, str, TreeParams]:
        """Let Optuna choose a learner, a set of columns and hyper-parameters."""
        learner = Learner(
            trial.suggest_categorical("learner", [one.value for one in self.learners])
        )
        name = trial.suggest_categorical("column_set", list(sets))
        half_life = _HALF_LIVES[trial.suggest_categorical("half_life", list(self.half_lives))]
        params = replace(base, half_life_ratio=half_life)
        if learner.has_forest:
            rows = trial.suggest_int("forest_rows_in_leaf", 3, 30, log=True)
            params = replace(params, forest_rows_in_leaf=rows)
        if learner.is_boosted:
            params = replace(
                params,
                num_leaves=trial.suggest_int("num_leaves", 7, 127, log=True),
                min_rows_in_leaf=trial.suggest_int("min_rows_in_leaf", 10, 200, log=True),
                feature_ratio=trial.suggest_float("feature_ratio", 0.3, 1.0),
            )
        return learner, name, params


def _first(learner: Learner, column_set: str, half_life: str = "none") -> dict[str, Any]:
    defaults = TreeParams()
    names: tuple[str, ...] = ("forest_rows_in_leaf",) if learner.has_forest else ()
    if learner.is_boosted:
        names += ("num_leaves", "min_rows_in_leaf", "feature_ratio")
    return {
        "learner": learner.value,
        "column_set": column_set,
        "half_life": half_life,
    } | {name: getattr(defaults, name) for name in names}
