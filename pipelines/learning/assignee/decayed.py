"""Counts per person that fade with time: old practice weighs less than this week's."""

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_MOST_TOLD: Final = 1_000  # contexts


class DecayedCounts:
    """Counts of people's acts in contexts, halved with every half-life.

    Contexts appear as they are met, and hold the people met in them only. While nothing is added,
    a service is asked at the same moment again and again: what was told is remembered.
    """

    def __init__(self, half_lives_s: Sequence[float]) -> None:
        self._rates = np.log(2) / np.asarray(half_lives_s, dtype=float)[:, None]
        self._counts: dict[Hashable, Values] = {}
        self._places: dict[Hashable, dict[int, int]] = {}
        self._touched_s: dict[Hashable, float] = {}
        self._told: dict[Hashable, Values] = {}  # at one moment, of so many people
        self._told_at: tuple[float, int] | None = None

    def add(self, context: Hashable, person: int, now_s: float) -> None:
        """Count an act of a person in a context, at a moment not before the last one."""
        self._told_at = None
        places = self._places.setdefault(context, {})
        counts = self._faded(context, now_s)
        if person not in places:
            places[person] = len(places)
            counts = np.hstack([counts, np.zeros_like(self._rates)])
        counts[:, places[person]] += 1
        self._counts[context], self._touched_s[context] = counts, now_s

    def at(self, context: Hashable, now_s: float, person_count: int) -> Values:
        """Return the counts of a context at a moment: half-lives x people, not to be written to."""
        if self._told_at != (now_s, person_count):
            self._told, self._told_at = {}, (now_s, person_count)
        counts = self._told.get(context)
        if counts is None:
            counts = np.zeros((len(self._rates), person_count))
            counts[:, list(self._places.get(context, ()))] = self._faded(context, now_s)
            counts.flags.writeable = False
            if len(self._told) < _MOST_TOLD:
                self._told[context] = counts
        return counts

    def _faded(self, context: Hashable, now_s: float) -> Values:
        counts = self._counts.get(context)
        if counts is None:
            return np.zeros((len(self._rates), 0))
        faded: Values = counts * np.exp(-self._rates * (now_s - self._touched_s[context]))
        return faded


class LastTimes:
    """When each person last acted in a context."""

    def __init__(self) -> None:
        self._last_s: dict[Hashable, dict[int, float]] = {}

    def add(self, context: Hashable, person: int, now_s: float) -> None:
        """Note an act of a person in a context."""
        self._last_s.setdefault(context, {})[person] = now_s

    def since_s(self, context: Hashable, now_s: float, person_count: int) -> Values:
        """Return seconds since each person's last act in a context; NaN where there was none."""
        since = np.full(person_count, np.nan)
        last = self._last_s.get(context, {})
        since[list(last)] = now_s - np.fromiter(last.values(), dtype=float, count=len(last))
        return since
