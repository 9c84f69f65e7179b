"""Say in short sentences why a person is proposed, from what moved the score most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import Ints, Values
from pipelines.learning.assignee.handovers import DAY_S

RECENT_DAYS: Final = 30
_MOST_REASONS: Final = 4
_FEWEST_REASONS: Final = 2
_SAME_SPEED: Final = 0.05
_MOSTLY: Final = 0.5
_HOUR_S: Final = 3_600.0
# Features by the beginning of their names; the first that fits. Of the others nothing is said.
_TOPICS: Final = {
    "since_task_activity_s": "recency",
    "task_activity_slowness": "speed",
    "task_activity_on_time_ratio": "punctuality",
    "task_activity_": "experience",
    "task_after_activity_": "experience",
    "task_after_person_": "handovers",
    "took_over_": "handovers",
    "held_": "load",
    "workflow_": "workflow",
    "began_workflow": "workflow",
    "is_of_task_team": "team",
    "hour_ratio": "hours",
    "next_hour_ratio": "hours",
    "day_ratio": "hours",
    "since_last_event_s": "presence",
    "since_sitting_began_s": "presence",
    "event_1h_count": "presence",
    "event_4h_count": "presence",
}


@dataclass(frozen=True)
class Candidate:
    """What is known of a candidate: features, the candidates' means, and plain counts."""

    features: Mapping[str, float]
    means: Mapping[str, float]
    taken_count: int  # tasks of the activity in the last 30 days
    handover_count: int  # from the one who took the workflow's last task


def reasons(candidate: Candidate, contributions: Values) -> tuple[str, ...]:
    """Return two to four sentences about a candidate, the strongest reason first.

    What speaks for someone is said where the plain facts bear it out; where less than two
    reasons do, what is known of experience and load is said, even if it speaks against.

    Args:
        candidate: see there.
        contributions: what each feature, in their order, added to the score.
    """
    topics = _topics_of(tuple(candidate.features))
    strength = np.bincount(topics, contributions, minlength=len(_SENTENCES) + 1)[:-1].tolist()
    strongest = sorted(zip(strength, _SENTENCES.values(), strict=True), key=lambda one: -one[0])
    said = [sentence(candidate) for share, sentence in strongest if share > 0]
    found = [sentence for sentence in said if sentence][:_MOST_REASONS]
    for sentence in (_all_experience(candidate), _all_load(candidate)):
        if len(found) < _FEWEST_REASONS and sentence not in found:
            found.append(sentence)
    return tuple(found)


@cache
def topic_of(name: str) -> str | None:
    """Return what a feature tells about, or None where nothing is said of it."""
    return next((topic for start, topic in _TOPICS.items() if name.startswith(start)), None)


@cache
def _topics_of(names: tuple[str, ...]) -> Ints:
    """Return the place of each feature's topic among the sentences; behind them where none is."""
    places = {topic: place for place, topic in enumerate(_SENTENCES)}
    return np.array([places.get(topic_of(name) or "", len(places)) for name in names])


def _experience(one: Candidate) -> str:
    return _all_experience(one) if one.taken_count else ""


def _all_experience(one: Candidate) -> str:
    if one.taken_count:
        tasks = _counted(one.taken_count, "task")
        return f"took {tasks} of this activity in the last {RECENT_DAYS} days"
    if not np.isnan(one.features["since_task_activity_s"]):
        return _recency(one)
    return "has not taken a task of this activity so far"


def _recency(one: Candidate) -> str:
    since_s = one.features["since_task_activity_s"]
    return "" if np.isnan(since_s) else f"last took a task of this activity {_ago(since_s)}"


def _speed(one: Candidate) -> str:
    slowness = one.features["task_activity_slowness"]
    if np.isnan(slowness) or slowness > -_SAME_SPEED:
        return ""
    return f"is usually done with this activity in {1 - np.exp(slowness):.0%} less time than others"


def _punctuality(one: Candidate) -> str:
    ratio = one.features["task_activity_on_time_ratio"]
    return f"was in time with {ratio:.0%} of tasks of this activity" if ratio > _MOSTLY else ""


def _handovers(one: Candidate) -> str:
    if not one.handover_count:
        return ""
    return f"took over from the present person {_counted(one.handover_count, 'time')}"


def _load(one: Candidate) -> str:
    held, mean = one.features["held_task_count"], one.means["held_task_count"]
    return _all_load(one) if held < mean else ""


def _all_load(one: Candidate) -> str:
    held, mean = round(one.features["held_task_count"]), one.means["held_task_count"]
    return f"holds {_counted(held, 'open task')}, the candidates' mean is {mean:.1f}"


def _workflow(one: Candidate) -> str:
    events = one.features["workflow_event_count"]
    count = 0 if np.isnan(events) else round(events)
    return f"has already taken {_counted(count, 'task')} of this workflow" if count else ""


def _team(one: Candidate) -> str:
    return "is of the team that the task is for" if one.features["is_of_task_team"] == 1 else ""


def _hours(one: Candidate) -> str:
    is_usual = one.features["hour_ratio"] > one.means["hour_ratio"]
    return "usually takes tasks at this hour" if is_usual else ""


def _presence(one: Candidate) -> str:
    since_s = one.features["since_last_event_s"]
    return f"took a task {_ago(since_s)}, and so is at work" if since_s < 4 * _HOUR_S else ""


_SENTENCES: Final[Mapping[str, Callable[[Candidate], str]]] = {
    "experience": _experience,
    "recency": _recency,
    "speed": _speed,
    "punctuality": _punctuality,
    "handovers": _handovers,
    "load": _load,
    "workflow": _workflow,
    "team": _team,
    "hours": _hours,
    "presence": _presence,
}


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _ago(seconds: float) -> str:
    for unit_s, unit in ((DAY_S, "day"), (_HOUR_S, "hour"), (60.0, "minute")):
        if seconds >= unit_s:
            return f"{_counted(int(seconds // unit_s), unit)} ago"
    return "just now"
