"""Search learners and hyper-parameters on the validation rows (Optuna), and train the best.

A set of columns that adds to another has to earn it: the loss of each larger set counts half a
percent more. What is tried learns from 40,000 rows or so at most, which tell learners apart as well
as all do (decision 0028). The first trials are fixed, so that the defaults are always among those
tried; the tree-structured Parzen estimator (Bergstra and others, 2011) chooses the others.
"""

import logging
from typing import Final

import numpy as np
import optuna

from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost, stop_early
from pipelines.learning.choice import Choice, Trial, choose
from pipelines.learning.column_sets import column_sets
from pipelines.learning.examples import Examples
from pipelines.learning.forest import TREES_OF_TRIAL, grow
from pipelines.learning.problem import Problem
from pipelines.learning.space import Learner

TRIAL_COUNT: Final = 8
_log: Final = logging.getLogger(__name__)
_MOST_ROWS: Final = 40_000  # that a trial learns from


def search(
    examples: Examples,
    problem: Problem,
    trial_count: int,
    seed: int,
    base: TreeParams | None = None,
) -> Choice:
    """Try learners, columns and hyper-parameters; choose by the validation rows alone.

    Args:
        examples: encoded training rows, as a search sees them (`Examples.searching`).
        problem: what to learn, and what may be tried.
        trial_count: learners to try, at least one.
        seed: of the search; each trial's trees have the seed after the one before.
        base: hyper-parameters that are not searched; the defaults where None.
    """
    examples = examples.thinned(_MOST_ROWS)
    sets = column_sets(examples.encoder)
    names = problem.space.sets_of(list(sets))
    trials: list[Trial] = []
    target = examples.target[examples.validation]
    weight = examples.weight[examples.validation]

    def objective(trial: optuna.Trial) -> float:
        learner, name, params = problem.space.suggest(trial, names, base or TreeParams())
        done = _tried(trial.number, learner, name, params)
        trials.append(done)
        _log.info(
            "tried %d of %d: %s, %s: %s %.4g",
            *(len(trials), trial_count, learner.value, name, problem.loss_name),
            done.validation_loss,
        )
        # What weights by age have to earn is asked once all is tried (decision 0026).
        return problem.price(done.validation_loss, names.index(name))

    def _tried(number: int, learner: Learner, name: str, params: TreeParams) -> Trial:
        columns, rounds = sets[name], 0
        said = []
        if learner.has_forest:
            forest = grow(
                examples,
                columns,
                examples.fit,
                params,
                seed + number,
                tree_count=TREES_OF_TRIAL,
            )
            said.append(forest.median(examples.matrix[examples.validation][:, columns]))
        if learner.is_boosted:
            stopped = stop_early(examples, columns, problem.objective, params, seed + number)
            rounds = stopped.rounds
            said.append(stopped.validation_raw)
        raw = np.mean(said, axis=0)
        loss = problem.loss(raw, target, weight)
        return Trial(number, learner, name, params, rounds, loss, raw)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed % (2**31), n_startup_trials=1)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    for fixed in problem.space.first_trials(names)[:trial_count]:
        study.enqueue_trial(fixed)
    study.optimize(objective, n_trials=trial_count)
    return choose(trials, target, weight, problem, names)


def train_choice(choice: Choice, examples: Examples, problem: Problem, seed: int) -> Blend:
    """Train what was chosen on all training rows, each with the seed it was tried with."""
    sets = column_sets(examples.encoder)
    members = []
    for trial in choice.members:
        columns, weight = sets[trial.column_set], choice.weights[trial.number]
        number, params = seed + trial.number, trial.params
        if trial.learner is Learner.PAIR:
            weight /= 2
        if trial.learner.has_forest:
            forest = grow(examples, columns, examples.everything, params, number)
            members.append(
                Member(forest.booster, columns, weight, forest.leaf_values, is_bagged=True)
            )
        if trial.learner.is_boosted:
            booster = boost(examples, columns, problem.objective, params, number, trial.rounds)
            members.append(Member(booster, columns, weight))
    return Blend(tuple(members))
