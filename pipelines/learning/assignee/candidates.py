"""Who may be proposed: people met so far, by several sources, without those excluded."""

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.learning.assignee.coded_log import Ints, Mask
from pipelines.learning.assignee.handovers import Vectors

MOST_CANDIDATES: Final = 60
# What nominates, and whether much of it is good; one column of each source and of presence.
# Those of a task nominate where a task is asked about.
SOURCES: Final = {
    "task_activity_30d_ratio": True,
    "since_task_activity_s": False,
    "task_after_person_180d_ratio": True,
    "took_over_people_30d_ratio": True,
    "took_over_from_person_30d_ratio": True,
    "item_based_score": True,
    "user_based_score": True,
    "content_score": True,
    "since_taking_over_activity_s": False,
    "since_last_event_s": False,
}


def nominate(vectors: Vectors, eligible: Mask, most: int = MOST_CANDIDATES) -> Ints:
    """Return the codes of the candidates: the sources take turns, each naming its best.

    Args:
        vectors: `Ledger.features` of a question.
        eligible: who may be proposed at all.
        most: candidates at most; where no more are eligible, all of them are candidates.
    """
    people = np.flatnonzero(eligible)
    if len(people) <= most:
        return people
    sources = [name for name in SOURCES if name in vectors]
    values = np.array([vectors[name][people] for name in sources])
    less_is_better = np.array([not SOURCES[name] for name in sources])[:, None]
    order = np.argsort(np.where(less_is_better, values, -values), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(len(people))[None, :], axis=1)
    # Who is not known to a source is not named by it.
    rank[np.isnan(values)] = len(people)
    best_rank = rank.min(axis=0)
    chosen: Ints = np.sort(people[np.argsort(best_rank, kind="stable")[:most]])
    return chosen


def eligible_people(
    person_count: int, excluded: Collection[int] = (), roster: Collection[int] | None = None
) -> Mask:
    """Say who may be proposed: of the roster, if there is one, all but the excluded."""
    eligible: npt.NDArray[np.bool_] = np.ones(person_count, dtype=bool)
    if roster is not None:
        eligible[:] = False
        eligible[list(roster)] = True
    eligible[list(excluded)] = False
    return eligible
