"""The people who should do some tasks, within the limits of the questions."""

from collections.abc import Collection, Sequence
from datetime import datetime

from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.standings import Candidates, Standings, standings_of
from pipelines.learning.assignee.state import AssigneeState, Recommendation
from serving.people_overrides import require_sound
from serving.problems import NoCandidateError
from serving.task_schemas import Limits
from serving.to_give import ToGive


def best_people(
    ranker: Ranker,
    state: AssigneeState,
    asked: Sequence[tuple[ToGive, Limits]],
    as_of: datetime,
) -> list[Sequence[Recommendation] | NoCandidateError]:
    """Say who should do each task, the best first, each with reasons; or that nobody is left.

    Raises:
        InvalidRequestError: the ranker cannot take the values of `overrides`; names each.
    """
    each = [_candidates(ranker, state, task, limits, as_of) for task, limits in asked]
    said: dict[int, NoCandidateError] = {}
    chosen: dict[int, tuple[Standings, Sequence[int]]] = {}
    for i, standings in enumerate(standings_of(ranker, each)):
        task, limits = asked[i]
        most, held = limits.max_held_task_count, standings.held_task_counts
        free = [place for place in range(len(standings)) if most is None or held[place] < most]
        if free:
            chosen[i] = standings, free[: limits.count]
        else:
            said[i] = _nobody(state, task, len(standings))
    explained = state.explained(ranker, list(chosen.values()))
    best = dict(zip(chosen, explained, strict=True))
    return [best[i] if i in best else said[i] for i in range(len(asked))]


def _candidates(
    ranker: Ranker, state: AssigneeState, task: ToGive, limits: Limits, as_of: datetime
) -> Candidates:
    if limits.overrides:
        out = frozenset(limits.excluded_person_ids)
        may = [one for one in _people(state, task) if one not in out]
        require_sound(limits.overrides, may, ranker.names)
    return state.candidates(
        ranker,
        task.workflow_id,
        task.activity,
        as_of,
        team_id=task.team_id,
        person_ids=task.person_ids,
        excluded=limits.excluded_person_ids,
        load_strength=limits.load_strength,
        overrides=limits.overrides,
    )


def _nobody(state: AssigneeState, task: ToGive, candidate_count: int) -> NoCandidateError:
    return NoCandidateError(
        f"Nobody is left of {len(_people(state, task))} people "
        "with required_skills, without excluded_person_ids and below max_held_task_count: "
        "loosen one of them.",
        candidate_count=candidate_count,
    )


def _people(state: AssigneeState, task: ToGive) -> Collection[str]:
    return state.people if task.person_ids is None else task.person_ids
