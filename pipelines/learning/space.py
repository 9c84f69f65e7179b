"""What a search may try: learners, columns, hyper-parameters, and what it tries first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import optuna

from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams
from pipelines.learning.column_sets import SETS

_HALF_LIVES: Final = {"none": NO_HALF_LIFE, "half": 0.5, "quarter": 0.25, "tenth": 0.1}
_FOREST_FEATURE_RATIO: Final = 0.4
_FOREST_LEAVES: Final = 255
_FOREST_ROWS_IN_LEAF: Final = 5


class Learner(StrEnum):
    """What is trained."""

    BOOSTING = "boosting"
    FOREST = "forest"


@dataclass(frozen=True)
class Space:
    """The bounds of a search; to narrow it shows what a choice is worth.

    `least_gain` is the share of the loss that each larger set of columns has to earn, and
    `half_lives` how recent rows may be weighted: see `Examples.recency`.
    """

    learners: tuple[Learner, ...] = (Learner.BOOSTING,)
    column_sets: tuple[str, ...] = SETS
    half_lives: tuple[str, ...] = tuple(_HALF_LIVES)
    least_gain: float = 0.005
    most_members: int = 3

    def sets_of(self, names: Sequence[str]) -> list[str]:
        """Return those of some sets that may be tried, in their order; at least the smallest."""
        return [name for name in names if name in self.column_sets] or list(names[:1])

    def first_trials(self, sets: Sequence[str]) -> list[dict[str, Any]]:
        """Return the defaults on every set, forests on the ends, and recent rows weighted."""
        fixed = [_first(Learner.BOOSTING, name) for name in sets]
        if Learner.FOREST in self.learners:
            ends = dict.fromkeys((sets[0], sets[-1]))
            fixed += [_first(Learner.FOREST, name) for name in ends]
        if "quarter" in self.half_lives:
            fixed.append(_first(Learner.BOOSTING, sets[0], "quarter"))
        return [one for one in fixed if one["learner"] in self.learners]

    def suggest(
        self, trial: optuna.Trial, sets: Sequence[str], base: TreeParams
    ) -> tuple[Learner, str, TreeParams]:
        """Let Optuna choose a learner, a set of columns and hyper-parameters."""
        learner = Learner(
            trial.suggest_categorical("learner", [one.value for one in self.learners])
        )
        name = trial.suggest_categorical("column_set", list(sets))
        half_life = _HALF_LIVES[trial.suggest_categorical("half_life", list(self.half_lives))]
        if learner is Learner.FOREST:
            return (
                learner,
                name,
                replace(
                    base,
                    num_leaves=_FOREST_LEAVES,
                    min_rows_in_leaf=trial.suggest_int("forest_rows_in_leaf", 3, 30, log=True),
                    feature_ratio=_FOREST_FEATURE_RATIO,
                    half_life_ratio=half_life,
                ),
            )
        return (
            learner,
            name,
            replace(
                base,
                num_leaves=trial.suggest_int("num_leaves", 7, 127, log=True),
                min_rows_in_leaf=trial.suggest_int("min_rows_in_leaf", 10, 200, log=True),
                feature_ratio=trial.suggest_float("feature_ratio", 0.3, 1.0),
                half_life_ratio=half_life,
            ),
        )


def _first(learner: Learner, column_set: str, half_life: str = "none") -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "learner": learner.value,
        "column_set": column_set,
        "half_life": half_life,
    }
    if learner is Learner.FOREST:
        return chosen | {"forest_rows_in_leaf": _FOREST_ROWS_IN_LEAF}
    defaults = TreeParams()
    names = ("num_leaves", "min_rows_in_leaf", "feature_ratio")
    return chosen | {name: getattr(defaults, name) for name in names}
