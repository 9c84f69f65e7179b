"""The people who should do a task, within the limits of a question."""

from collections.abc import Sequence
from datetime import datetime

from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.state import AssigneeState, Recommendation
from serving.people_overrides import require_sound
from serving.problems import NoCandidateError
from serving.task_schemas import Limits
from serving.to_give import ToGive


def best_people(
    ranker: Ranker, state: AssigneeState, asked: ToGive, limits: Limits, as_of: datetime
) -> Sequence[Recommendation]:
    """Say who should do a task, the best first, each with reasons.

    Raises:
        InvalidRequestError: the ranker cannot take the values of `overrides`; names each.
        NoCandidateError: nobody is left.
    """
    people = state.people if asked.person_ids is None else asked.person_ids
    if limits.overrides:
        out = frozenset(limits.excluded_person_ids)
        may = [one for one in people if one not in out]
        require_sound(limits.overrides, may, ranker.names)
    ranked = state.standings(
        ranker,
        asked.workflow_id,
        asked.activity,
        as_of,
        team_id=asked.team_id,
        person_ids=asked.person_ids,
        excluded=limits.excluded_person_ids,
        load_strength=limits.load_strength,
        overrides=limits.overrides,
    )
    most = limits.max_held_task_count
    held = ranked.held_task_counts
    free = [place for place in range(len(ranked)) if most is None or held[place] < most]
    if not free:
        raise NoCandidateError(
            f"Nobody is left of {len(people)} people "
            "with required_skills, without excluded_person_ids and below max_held_task_count: "
            "loosen one of them.",
            candidate_count=len(ranked),
        )
    return state.explained(ranker, ranked, free[: limits.count])
