"""Re-rank by present load, and spread several tasks over people of limited capacity."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import NONE, Ints, Mask, Values

_UNPLANNED: Final = 2.0


def share_load(scores: Values, question: Ints, held_count: Values, strength: float) -> Values:
    """Lower the scores of those who hold more than the candidates' mean.

    The score, the log of a share up to a constant as `Ranker.scores` tells it, loses `strength`
    times the log of the load against the mean, both plus one. Holding less gains nothing: who
    holds nothing is more often away than free.

    Args:
        scores: of pairs.
        question: the question that each pair belongs to, counted from 0.
        held_count: workflows that each pair's candidate holds.
        strength: 0 leaves the order, 1 halves the share of who holds about twice the mean.
    """
    mean = np.bincount(question, held_count) / np.maximum(np.bincount(question), 1)
    excess = np.maximum(np.log((held_count + 1) / (mean[question] + 1)), 0.0)
    adjusted: Values = scores - strength * excess
    return adjusted


def may_take(
    required_skills: Sequence[Collection[str]],
    excluded: Sequence[Collection[str]],
    people: Sequence[str],
    skills: Sequence[Collection[str]],
) -> Mask:
    """Say who may take which task: everyone skilled who is not excluded; tasks x people."""
    return np.array(
        [
            [
                person not in out and set(required) <= set(has)
                for person, has in zip(people, skills, strict=True)
            ]
            for required, out in zip(required_skills, excluded, strict=True)
        ],
        dtype=bool,
    ).reshape(len(required_skills), len(people))


def assign(scores: Values, allowed: Mask, capacity: Ints) -> Ints:
    """Give as many tasks as can be to people, then at the highest sum of scores.

    Exact, by one linear assignment (Jonker and Volgenant, 1987) of tasks to places of people.

    Args:
        scores: tasks x people; higher is better.
        allowed: tasks x people; who may take what.
        capacity: how many of the tasks each person can take.

    Returns:
        The person per task, NONE where nobody who may has room.

    Raises:
        TrainingError: the shapes differ, a score is not finite, or a capacity is negative.
    """
    task_count, person_count = scores.shape
    if allowed.shape != scores.shape or capacity.shape != (person_count,):
        raise TrainingError(
            f"Scores {scores.shape}, permissions {allowed.shape} and capacities {capacity.shape} "
            "must be tasks x people, tasks x people, people."
        )
    if (capacity < 0).any() or not np.isfinite(scores[allowed]).all():
        raise TrainingError("Capacities must not be negative, and scores must be finite numbers.")
    places = np.repeat(np.arange(person_count), np.minimum(capacity, task_count))
    spread = float(np.ptp(scores[allowed])) if allowed.any() else 0.0
    unplanned = _UNPLANNED * (1 + spread) * (task_count + 1)
    costs = np.where(allowed, np.max(scores, where=allowed, initial=-np.inf) - scores, np.inf)
    # A place of its own for every task: nobody does it. Dearer than any exchange of people.
    alone = np.full((task_count, task_count), np.inf)
    np.fill_diagonal(alone, unplanned)
    _, columns = linear_sum_assignment(np.hstack([costs[:, places], alone]))
    found = np.full(task_count, NONE)
    is_given = columns < len(places)
    found[is_given] = places[columns[is_given]]
    return found
