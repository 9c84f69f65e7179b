"""Counts per person that fade with time: old practice weighs less than this week's."""

from collections.abc import Callable, Hashable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_MOST_TOLD: Final = 1_000  # contexts


class Told:
    """Remembers what was told of contexts at one moment.

    While nothing is learned, a service is asked at the same moment again and again.
    """

    def __init__(self) -> None:
        self._moment: Hashable = None
        self._values: dict[Hashable, Values] = {}

    def forget(self) -> None:
        """Remember nothing: something was learned."""
        self._moment = None

    def get(self, context: Hashable, moment: Hashable, tell: Callable[[], Values]) -> Values:
        """Return what is told of a context at a moment, not to be written to."""
        if self._moment is None or self._moment != moment:
            self._values, self._moment = {}, moment
        values = self._values.get(context)
        if values is None:
            values = tell()
            values.flags.writeable = False
            if len(self._values) < _MOST_TOLD:
                self._values[context] = values
        return values


class DecayedCounts:
    """Counts of people's acts in contexts, halved with every half-life.

    Contexts appear as they are met, and hold the people met in them only. What was told of a
    moment is remembered.
    """

    def __init__(self, half_lives_s: Sequence[float]) -> None:
        self._rates = np.log(2) / np.asarray(half_lives_s, dtype=float)[:, None]
        self._counts: dict[Hashable, Values] = {}
        self._places: dict[Hashable, dict[int, int]] = {}
        self._touched_s: dict[Hashable, float] = {}
        self._told = Told()

    def add(self, context: Hashable, person: int, now_s: float) -> None:
        """Count an act of a person in a context, at a moment not before the last one."""
        self._told.forget()
        places = self._places.setdefault(context, {})
        counts = self._faded(context, now_s)
        if person not in places:
            places[person] = len(places)
            counts = np.hstack([counts, np.zeros_like(self._rates)])
        counts[:, places[person]] += 1
        self._counts[context], self._touched_s[context] = counts, now_s

    def at(self, context: Hashable, now_s: float, person_count: int) -> Values:
        """Return the counts of a context at a moment: half-lives x people, not to be written to."""

        def counts() -> Values:
            found = np.zeros((len(self._rates), person_count))
            found[:, list(self._places.get(context, ()))] = self._faded(context, now_s)
            return found

        return self._told.get(context, (now_s, person_count), counts)

    def _faded(self, context: Hashable, now_s: float) -> Values:
        counts = self._counts.get(context)
        if counts is None:
            return np.zeros((len(self._rates), 0))
        faded: Values = counts * np.exp(-self._rates * (now_s - self._touched_s[context]))
        return faded


class LastTimes:
    """When each person last acted in a context; what was told of a moment is remembered."""

    def __init__(self) -> None:
        self._last_s: dict[Hashable, dict[int, float]] = {}
        self._told = Told()

    def add(self, context: Hashable, person: int, now_s: float) -> None:
        """Note an act of a person in a context."""
        self._told.forget()
        self._last_s.setdefault(context, {})[person] = now_s

    def since_s(self, context: Hashable, now_s: float, person_count: int) -> Values:
        """Return seconds since each person's last act in a context; NaN where there was none.

        Not to be written to.
        """

        def since() -> Values:
            found = np.full(person_count, np.nan)
            last = self._last_s.get(context, {})
            found[list(last)] = now_s - np.fromiter(last.values(), dtype=float, count=len(last))
            return found

        return self._told.get(context, (now_s, person_count), since)
