"""Search learners and hyper-parameters on the validation rows (Optuna), and blend the best.

A set of columns that adds to another has to earn it: the loss of each larger set counts half a
percent more. The first trials are fixed, so that the defaults are always among those tried; the
tree-structured Parzen estimator (Bergstra and others, 2011) chooses the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
import optuna

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import NO_HALF_LIFE, TreeParams, boost, stop_early
from pipelines.learning.column_sets import column_sets
from pipelines.learning.examples import Examples, Values
from pipelines.learning.forest import grow

Loss = Callable[[Values, Values], float]
"""Takes what is said of rows and their targets, both in the model's own scale."""

TRIAL_COUNT: Final = 8
_LEAST_GAIN: Final = 0.005
_HALF_LIVES: Final = {"none": NO_HALF_LIFE, "half": 0.5, "quarter": 0.25, "tenth": 0.1}
_MOST_PICKS: Final = 10
_MOST_MEMBERS: Final = 3
_FOREST_FEATURE_RATIO: Final = 0.4
_FOREST_LEAVES: Final = 255
_FOREST_ROWS_IN_LEAF: Final = 5


class Learner(StrEnum):
    """What is trained."""

    BOOSTING = "boosting"
    FOREST = "forest"


@dataclass(frozen=True)
class Problem:
    """What a model learns: LightGBM's objective, and the loss that chooses, in its own unit."""

    objective: Mapping[str, Any]
    loss: Loss
    loss_name: str
    learners: tuple[Learner, ...] = (Learner.BOOSTING,)


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
            "rounds": self.rounds,
        }


@dataclass(frozen=True)
class Choice:
    """Trials, and how much weight those have that are blended, by trial number."""

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


def search(
    examples: Examples,
    problem: Problem,
    trial_count: int,
    seed: int,
    base: TreeParams | None = None,
) -> Choice:
    """Try learners, columns and hyper-parameters; choose by the validation rows alone.

    Args:
        examples: encoded training rows.
        problem: what to learn.
        trial_count: learners to try, at least one.
        seed: of the search and of every trial.
        base: hyper-parameters that are not searched; the defaults where None.
    """
    sets = column_sets(examples.encoder)
    trials: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        # Seeds of their own: blended, trials that differ in nothing else are worth more than one.
        done = _try(trial, examples, problem, sets, seed + trial.number, base or TreeParams())
        trials.append(done)
        return _price(done.validation_loss, [done.column_set], list(sets))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed % (2**31), n_startup_trials=1)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    for fixed in _first_trials(list(sets), problem.learners)[:trial_count]:
        study.enqueue_trial(fixed)
    study.optimize(objective, n_trials=trial_count)
    return _blended(trials, examples.target[examples.validation], problem.loss, list(sets))


def train_choice(choice: Choice, examples: Examples, problem: Problem, seed: int) -> Blend:
    """Train what was chosen on all training rows."""
    sets = column_sets(examples.encoder)
    members = []
    for trial in choice.members:
        columns, weight = sets[trial.column_set], choice.weights[trial.number]
        if trial.learner is Learner.FOREST:
            forest = grow(examples, columns, examples.everything, trial.params, seed + trial.number)
            members.append(Member(forest.booster, columns, weight, forest.leaf_values))
        else:
            number = seed + trial.number
            booster = boost(
                examples, columns, problem.objective, trial.params, number, trial.rounds
            )
            members.append(Member(booster, columns, weight))
    return Blend(tuple(members))


def _first_trials(sets: Sequence[str], learners: Sequence[Learner]) -> list[dict[str, Any]]:
    """Return the defaults on every set of columns, then each learner with recent rows weighted."""
    default = {"learner": Learner.BOOSTING.value, "half_life": "none"}
    fixed = [default | {"column_set": name} for name in sets]
    if Learner.FOREST in learners:
        forest = default | {"learner": Learner.FOREST.value}
        fixed += [forest | {"column_set": name} for name in dict.fromkeys((sets[0], sets[-1]))]
    fixed.append(default | {"column_set": sets[0], "half_life": "quarter"})
    defaults = TreeParams()
    return [
        one
        | {
            "num_leaves": defaults.num_leaves,
            "min_rows_in_leaf": defaults.min_rows_in_leaf,
            "feature_ratio": defaults.feature_ratio,
        }
        if one["learner"] == Learner.BOOSTING.value
        else one | {"forest_rows_in_leaf": _FOREST_ROWS_IN_LEAF}
        for one in fixed
    ]


def _try(  # noqa: PLR0917
    trial: optuna.Trial,
    examples: Examples,
    problem: Problem,
    sets: Mapping[str, tuple[int, ...]],
    seed: int,
    base: TreeParams,
) -> Trial:
    learner = Learner(trial.suggest_categorical("learner", [one.value for one in problem.learners]))
    name = trial.suggest_categorical("column_set", list(sets))
    half_life = _HALF_LIVES[trial.suggest_categorical("half_life", list(_HALF_LIVES))]
    if learner is Learner.FOREST:
        params = replace(
            base,
            num_leaves=_FOREST_LEAVES,
            min_rows_in_leaf=trial.suggest_int("forest_rows_in_leaf", 3, 30, log=True),
            feature_ratio=_FOREST_FEATURE_RATIO,
            half_life_ratio=half_life,
        )
        rounds = 0
        forest = grow(examples, sets[name], examples.fit, params, seed)
        raw = forest.median(examples.matrix[examples.validation][:, sets[name]])
    else:
        params = replace(
            base,
            num_leaves=trial.suggest_int("num_leaves", 7, 127, log=True),
            min_rows_in_leaf=trial.suggest_int("min_rows_in_leaf", 10, 200, log=True),
            feature_ratio=trial.suggest_float("feature_ratio", 0.3, 1.0),
            half_life_ratio=half_life,
        )
        stopped = stop_early(examples, sets[name], problem.objective, params, seed)
        rounds, raw = stopped.rounds, stopped.validation_raw
    loss = problem.loss(raw, examples.target[examples.validation])
    return Trial(trial.number, learner, name, params, rounds, loss, raw)


def _blended(trials: Sequence[Trial], target: Values, loss: Loss, sets: Sequence[str]) -> Choice:
    """Add trials one by one, with repetition, while that lowers the loss.

    Greedy ensemble selection (Caruana and others, ICML 2004), with few members.
    """
    picks: list[Trial] = []
    least = float("inf")
    while len(picks) < _MOST_PICKS:
        distinct = {one.number for one in picks}
        open_to = trials if len(distinct) < _MOST_MEMBERS else picks
        prices = {}
        for one in open_to:
            tried = [*picks, one]
            raw = np.mean([of.validation_raw for of in tried], axis=0)
            prices[one.number] = _price(loss(raw, target), [of.column_set for of in tried], sets)
        best = min(prices, key=lambda number: (prices[number], number))
        if prices[best] >= least:
            break
        least = prices[best]
        picks.append(trials[best])
    numbers = [one.number for one in picks]
    weights = {number: numbers.count(number) / len(numbers) for number in dict.fromkeys(numbers)}
    raw = np.sum([w * trials[n].validation_raw for n, w in weights.items()], axis=0)
    return Choice(tuple(trials), weights, loss(raw, target))


def _price(loss: float, names: Sequence[str], sets: Sequence[str]) -> float:
    """Let each larger set of columns earn half a percent."""
    return loss * (1 + _LEAST_GAIN * max(sets.index(name) for name in names))
