"""What people are doing by a moment: presence, experience, speed, punctuality."""

from typing import Final

import numpy as np

from pipelines.learning.assignee.coded_log import NONE, Event
from pipelines.learning.assignee.decayed import DecayedCounts, LastTimes, Told, Values
from pipelines.learning.assignee.handovers import DAY_S, Vectors
from pipelines.learning.assignee.question import Question, Trace

_HOUR_S: Final = 3_600.0
_HALF_LIVES_S: Final = {
    "1h": _HOUR_S,
    "4h": 4 * _HOUR_S,
    "1d": DAY_S,
    "7d": 7 * DAY_S,
    "30d": 30 * DAY_S,
}
_SAME_TEAM: Final = "is_same_team"
_NAMES: Final = (
    "since_last_event_s",
    "since_activity_s",
    "since_sitting_began_s",
    "activity_ratio",
    _SAME_TEAM,
    *(f"{of}_{life}_count" for life in _HALF_LIVES_S for of in ("event", "activity_event")),
    "hour_ratio",
    "next_hour_ratio",
    "day_ratio",
    "slowness",
    "on_time_ratio",
)
_AWAY_S: Final = 8 * _HOUR_S
_PRIOR_COUNT: Final = 5.0


class People:
    """What every person has been doing, as of a moment."""

    def __init__(self) -> None:
        self._acts = DecayedCounts(tuple(_HALF_LIVES_S.values()))
        self._last, self._sittings = LastTimes(), LastTimes()
        self._slots = DecayedCounts((30 * DAY_S,))
        self._last_s: dict[int, float] = {}
        self._team: dict[int, int] = {}
        self._tallies: dict[int, Values] = {}
        self._log_sojourn: dict[int, tuple[float, int]] = {}
        self._told = Told()

    def learn(self, event: Event, trace: Trace) -> None:
        """Count an event, the last one of the trace."""
        self._told.forget()
        person, now_s = event.person, event.time_s
        for context in (None, event.activity):
            self._acts.add(context, person, now_s)
            self._last.add(context, person, now_s)
        for slot in (_hour(now_s), _weekday(now_s)):
            self._slots.add(slot, person, now_s)
        if now_s - self._last_s.get(person, -np.inf) > _AWAY_S:
            self._sittings.add(None, person, now_s)
        self._last_s[person] = now_s
        self._team[person] = event.team
        self._tally(event, trace)

    def features(self, question: Question) -> Vectors:
        """Return vectors over people; times in seconds, counts fading with their half-lives.

        Not to be written to.
        """
        now_s, size, activity = question.now_s, question.person_count, question.activity
        rows = self._told.get(activity, (now_s, size), lambda: self._rows(activity, now_s, size))
        vectors = dict(zip(_NAMES, rows, strict=True))
        vectors[_SAME_TEAM] = self._is_same_team(question)
        return vectors

    def _rows(self, activity: int, now_s: float, size: int) -> Values:
        """Return a row for each of `_NAMES`, of NaN where it depends on who did the last event."""
        acts = self._acts.at(None, now_s, size)
        here = self._acts.at(activity, now_s, size)
        slots = [_hour(now_s), _hour(now_s + _HOUR_S), _weekday(now_s)]
        slow, timed, on_time, due = self._tallied(size)
        return np.vstack(
            [
                self._last.since_s(None, now_s, size),
                self._last.since_s(activity, now_s, size),
                self._sittings.since_s(None, now_s, size),
                here[-1] / (acts[-1] + 1),
                np.full(size, np.nan),
                *(counts for both in zip(acts, here, strict=True) for counts in both),
                *(self._slots.at(slot, now_s, size)[0] / (acts[-1] + 1) for slot in slots),
                slow / (timed + _PRIOR_COUNT),
                np.divide(on_time, due, np.full(size, np.nan), where=due > 0),
            ]
        )

    def _tally(self, event: Event, trace: Trace) -> None:
        """Add up slowness (log of the sojourn, above the activity's mean so far) and lateness."""
        tally = self._tallies.setdefault(event.person, np.zeros(4))
        if len(trace.times_s) > 1:
            took = float(np.log1p(trace.times_s[-1] - trace.times_s[-2]))
            total, count = self._log_sojourn.get(event.activity, (0.0, 0))
            if count:
                tally[:2] += took - total / count, 1
            self._log_sojourn[event.activity] = (total + took, count + 1)
        if not np.isnan(event.due_s):
            tally[2:] += event.time_s <= event.due_s, 1

    def _tallied(self, size: int) -> Values:
        tallied = np.zeros((4, size))
        if self._tallies:
            tallied[:, list(self._tallies)] = np.array(list(self._tallies.values())).T
        return tallied

    def _is_same_team(self, question: Question) -> Values:
        own = self._team.get(question.person, NONE)
        same = np.full(question.person_count, np.nan)
        if own != NONE:
            same[list(self._team)] = [team == own for team in self._team.values()]
        return same


def _hour(now_s: float) -> tuple[str, int]:
    return "hour", int(now_s // _HOUR_S) % 24


def _weekday(now_s: float) -> tuple[str, int]:
    return "weekday", int(now_s // DAY_S) % 7
