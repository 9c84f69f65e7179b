"""Who may do a task at all, and in words why nobody may."""

from collections.abc import Sequence
from math import inf

from pipelines.learning.allocation.plan import Constraint, Unmet
from pipelines.learning.allocation.problem import AvailablePerson, Estimates, OpenTask
from pipelines.learning.allocation.words import listed


def service_seconds(
    tasks: Sequence[OpenTask], people: Sequence[AvailablePerson], estimates: Estimates
) -> list[list[float]]:
    """Return whole seconds of service, tasks by people; infinity where a person may not."""
    hours = estimates.hours.tolist()
    return [
        [
            max(1.0, float(round(one * 3600))) if one < inf and _may(task, person) else inf
            for one, person in zip(row, people, strict=True)
        ]
        for row, task in zip(hours, tasks, strict=True)
    ]


def _may(task: OpenTask, person: AvailablePerson) -> bool:
    return (
        (task.team_id is None or task.team_id == person.team_id)
        and task.required_skills <= person.skills
        and person.person_id not in task.excluded_person_ids
    )


def why_nobody(task: OpenTask, people: Sequence[AvailablePerson]) -> Unmet:
    """Say on which constraint the last of the people fall out, for a task that nobody may do."""
    left = [one for one in people if task.team_id is None or one.team_id == task.team_id]
    if not left:
        whom = "there are no people" if task.team_id is None else f"team {task.team_id} has nobody"
        return _unmet(task, Constraint.TEAM, f"{whom} in this plan")
    skilled = [one for one in left if task.required_skills <= one.skills]
    if not skilled:
        return _unmet(task, Constraint.SKILLS, _missing_skills(task, left))
    allowed = [one for one in skilled if one.person_id not in task.excluded_person_ids]
    if not allowed:
        names = listed([one.person_id for one in skilled])
        return _unmet(task, Constraint.EXCLUDED, f"only {names} could, who must not")
    names = listed([one.person_id for one in allowed])
    return _unmet(task, Constraint.ESTIMATE, f"the estimates say that {names} cannot")


def _missing_skills(task: OpenTask, people: Sequence[AvailablePerson]) -> str:
    asked = sorted(task.required_skills)
    known = frozenset[str]().union(*(one.skills for one in people))
    unknown = [skill for skill in asked if skill not in known]
    if unknown:
        return f"nobody who may take it has {listed(unknown)}"
    nearest = max(people, key=lambda one: len(task.required_skills & one.skills))
    lacks = listed(sorted(task.required_skills - nearest.skills))
    return f"nobody has {listed(asked)} together; {nearest.person_id} lacks only {lacks}"


def _unmet(task: OpenTask, constraint: Constraint, because: str) -> Unmet:
    return Unmet(task.task_id, constraint, is_planned=False, explanation=f"Not planned: {because}.")
