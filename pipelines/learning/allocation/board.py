"""The plan in the making: each person's tasks in order, and what every change would cost.

Plain lists, not arrays: a change touches a handful of tasks, too few for vectors to pay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, inf, pi, sqrt
from typing import Final

from pipelines.learning.allocation.problem import Weights
from pipelines.learning.allocation.working_time import WorkingTime

_HOUR_S: Final = 3600.0
_CERTAIN: Final = 4.0  # standard deviations beyond which chance no longer counts
_ROUNDING_S: Final = 1e-6
_STEEPEST: Final = 16.0

Times = tuple[float, float, float]  # begin, end, expected lateness
_State = tuple[float, float, float, int]  # work done, cost, variance of the end, calendar period
_START: Final[_State] = (0.0, 0.0, 0.0, 0)


@dataclass(frozen=True)
class Sums:
    """Expected lateness, time from when tasks could begin to their ends, and service."""

    lateness_s: float
    time_s: float
    work_s: float


class Board:
    """Sequences of task numbers by person number; costs are in the units of the weights.

    Args:
        service_s: seconds of each task (row) with each person (column); infinity cannot be.
        calendars: of each person.
        ready_s: when each task can begin, seconds since the plan's moment.
        due_s: when each task should have ended; infinity has no due date.
        priority: of each task.
        bounds: most tasks and most seconds of service of each person.
    """

    def __init__(
        self,
        service_s: list[list[float]],
        *,
        calendars: Sequence[WorkingTime],
        ready_s: Sequence[float],
        due_s: Sequence[float],
        priority: Sequence[float],
        bounds: Sequence[tuple[float, float]],
        weights: Weights,
        spread_ratio: float,
    ) -> None:
        self.service_s = service_s
        self.calendars = calendars
        self.due_s = list(due_s)
        self.bounds = bounds
        self.priority = list(priority)
        self._late = [weights.lateness * one / _HOUR_S for one in priority]
        self._time = [weights.time * one / _HOUR_S for one in priority]
        self._work = weights.work / _HOUR_S
        self._spread = spread_ratio
        self._grace_s = 0.0 if weights.patience_h == inf else weights.patience_h * _HOUR_S
        # A second of work takes this many of the calendar: so far does an error reach.
        self.stretch = [_stretch(one) for one in calendars]
        self.opens = [one.begin_of(0) if one.total else inf for one in calendars]
        self.orders: list[list[int]] = [[] for _ in calendars]
        self.costs = [0.0] * len(calendars)
        self.loads_s = [0.0] * len(calendars)
        self.holder: list[int | None] = [None] * len(service_s)
        self.changes = 0  # so far, and the number of each person's last one
        self.changed_at = [0] * len(calendars)
        self._states = [[_START] for _ in calendars]
        self._alone: dict[tuple[int, int], float] = {}
        self.set_ready(ready_s)

    def set_ready(self, ready_s: Sequence[float]) -> None:
        """Set when each task can begin; costs of what is on the board are taken anew."""
        self.ready_s = list(ready_s)
        self._from_s = [max(0.0, one) for one in ready_s]
        self._alone.clear()
        self._late_ready = {
            task: [calendar.work_until(one) for calendar in self.calendars]
            for task, one in enumerate(ready_s)
            if one > 0
        }
        for person in range(len(self.orders)):
            self.put(person, self.orders[person])

    def put(self, person: int, order: list[int]) -> None:
        """Give a person these tasks in this order; one that cannot be costs infinity."""
        for task in self.orders[person]:
            if self.holder[task] == person:  # nobody else has taken it meanwhile
                self.holder[task] = None
        self.orders[person] = order
        self.changes += 1
        self.changed_at[person] = self.changes
        self._states[person] = [_START]
        self.loads_s[person] = sum(self.service_s[task][person] for task in order)
        self.costs[person] = self._run(person, order, _START, inf, self._states[person])
        for task in order:
            self.holder[task] = person

    def hold(self, person: int, task: int) -> None:
        """Give a person one more task, last, before its order is settled."""
        self.orders[person].append(task)
        self.loads_s[person] += self.service_s[task][person]
        self.holder[task] = person

    def has_room(self, person: int, task: int, instead: int | None = None) -> bool:
        """Tell whether a person's bounds let them take a task, instead of another if given."""
        most, most_s = self.bounds[person]
        count, load_s = len(self.orders[person]) + 1, self.loads_s[person]
        if instead is not None:
            count, load_s = count - 1, load_s - self.service_s[instead][person]
        return count <= most and load_s + self.service_s[task][person] <= most_s + _ROUNDING_S

    def cost(self, person: int, order: Sequence[int], limit: float = inf) -> float:
        """Return what a person's tasks cost in this order; infinity from `limit` on."""
        return self._run(person, order, _START, limit)

    def alone(self, person: int, task: int) -> float:
        """Return what a task costs a person who has no other: it never costs less."""
        key = (person, task)
        if key not in self._alone:
            self._alone[key] = self.cost(person, [task])
        return self._alone[key]

    def best_place(
        self, task: int, person: int, order: list[int], limit: float
    ) -> tuple[float, int]:
        """Return the least cost of a person's tasks with one more, and its place in `order`.

        Infinity where every place costs `limit` or more.
        """
        states = self._states[person] if order is self.orders[person] else [_START]
        if len(states) <= len(order):
            self._run(person, order[len(states) - 1 :], states[-1], inf, states)
            if len(states) <= len(order):  # the order alone is too long already
                return inf, -1
        if states[-1][1] + self.alone(person, task) >= limit:
            return inf, -1
        best, place = limit, -1
        for number in range(len(order), -1, -1):
            cost = self._run(person, [task, *order[number:]], states[number], best)
            if cost < best:
                best, place = cost, number
        return (best, place) if place >= 0 else (inf, place)

    def _run(
        self,
        person: int,
        tasks: Sequence[int],
        state: _State,
        limit: float,
        states: list[_State] | None = None,
    ) -> float:
        """Go on from a state through more tasks; return the cost, infinity from `limit` on."""
        calendar, service_s, ready = self.calendars[person], self.service_s, self._late_ready
        worked, ends, total_s = calendar.worked, calendar.ends, calendar.total + _ROUNDING_S
        late, time, from_s, due_s = self._late, self._time, self._from_s, self.due_s
        work, spread, grace = self._work, self._spread, self._grace_s
        done_s, cost, variance, period = state
        for task in tasks:
            work_s = service_s[task][person]
            if ready and task in ready and ready[task][person] > done_s:
                done_s = ready[task][person]
            done_s += work_s
            if done_s > total_s:
                return inf
            while worked[period] + _ROUNDING_S < done_s:
                period += 1
            end = ends[period] - (worked[period] - done_s)
            cost += time[task] * (end - from_s[task]) + work * work_s
            over = end - due_s[task]
            if spread:
                variance += (spread * work_s) ** 2
                over = _expected_over(over, sqrt(variance) * self.stretch[person])
            if grace:
                cost += late[task] * _growing(over, grace)
            elif over > 0:
                cost += late[task] * over
            if cost >= limit:
                return inf
            if states is not None:
                states.append((done_s, cost, variance, period))
        return cost

    def schedule(self, person: int, order: Sequence[int]) -> list[Times]:
        """Return begin, end and expected lateness of a person's tasks, in seconds."""
        calendar = self.calendars[person]
        done_s = variance = 0.0
        times = []
        for task in order:
            if task in self._late_ready:
                done_s = max(done_s, self._late_ready[task][person])
            begin = max(calendar.begin_of(done_s), self._from_s[task])
            done_s += self.service_s[task][person]
            end = calendar.end_of(min(done_s, calendar.total))
            variance += (self._spread * self.service_s[task][person]) ** 2
            deviation = sqrt(variance) * self.stretch[person]
            times.append((begin, end, max(0.0, _expected_over(end - self.due_s[task], deviation))))
        return times

    def sums(self, person: int, order: Sequence[int], times: Sequence[Times]) -> Sums:
        """Return what a person's tasks take in this order, in seconds; `times` is its schedule."""
        return Sums(
            lateness_s=sum(lateness for _, _, lateness in times),
            time_s=sum(
                end - self._from_s[task] for task, (_, end, _) in zip(order, times, strict=True)
            ),
            work_s=sum(self.service_s[task][person] for task in order),
        )


def _stretch(calendar: WorkingTime) -> float:
    if not calendar.total:
        return 1.0
    return (calendar.ends[-1] - calendar.begins[0]) / calendar.total


def _growing(over: float, patience_s: float) -> float:
    """Return what being late costs if each further moment costs more: 1 a second at the due date.

    E-fold with each `patience_s`, on a line from `_STEEPEST` on, so that numbers stay numbers.
    """
    times = over / patience_s
    if times <= _STEEPEST:
        return patience_s * (exp(times) - 1)
    return patience_s * (exp(_STEEPEST) * (1 + times - _STEEPEST) - 1)


def _expected_over(over: float, deviation: float) -> float:
    """Return the mean of what a normal variable of that mean and deviation has above 0."""
    if deviation <= 0 or abs(over) > _CERTAIN * deviation:
        return over
    ratio = over / deviation
    above = 0.5 * (1 + erf(ratio / sqrt(2)))
    return over * above + deviation * exp(-0.5 * ratio * ratio) / sqrt(2 * pi)
