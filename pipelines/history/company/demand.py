"""Demand: when workflows are opened, with weekly and yearly seasons, and what is asked for."""

from collections.abc import Iterator
from math import cos, exp, pi
from typing import Final

from pipelines.history.company.clients import Client
from pipelines.history.company.design import Company
from pipelines.history.company.draws import Draws, Weighted
from pipelines.history.company.shifts import DAY_S
from pipelines.history.company.templates import Template

_WEEKDAYS: Final = (1.32, 1.18, 1.10, 1.06, 0.96, 0.22, 0.16)  # Monday first; mean of a week 0.857
_WEEKDAY_MEAN: Final = sum(_WEEKDAYS) / 7
_YEAR_SWING: Final = 0.07  # spring and autumn are busier than summer and winter
_WEEK_NOISE: Final = 0.08
_PEAK_SWING: Final = 0.45
# Requests by hour of the day: offices ask from 7 to 18, the portal is always open.
_HOURS: Final = Weighted(
    tuple(range(24)),
    (1, 1, 1, 1, 1, 2, 6, 18, 40, 52, 50, 42, 30, 38, 46, 42, 32, 20, 10, 6, 5, 4, 3, 2),
)
_OFFICE_HOURS: Final = range(7, 19)
_CHANNELS: Final = Weighted(("portal", "email", "phone", "paper"), (0.40, 0.30, 0.22, 0.08))
_NIGHT_CHANNELS: Final = Weighted(("portal", "email"), (0.75, 0.25))


class Demand:
    """The stream of requests."""

    def __init__(self, company: Company, seed: int, doubled_from: int | None = None) -> None:
        self._company = company
        self._arrivals = Draws(seed, "arrivals")
        self._extra = Draws(seed, "extra arrivals")
        self._requests = Draws(seed, "requests")
        self._clients = Weighted(company.clients, (client.weight for client in company.clients))
        self._templates: dict[int, Weighted[int]] = {}
        # Extra requests have a stream of their own: the usual ones stay what they were.
        self._doubled_from = doubled_from

    def moments(self) -> Iterator[int]:
        """Yield the moments of opening from the start on, day by day until the calendars end."""
        noise, begin = 0.0, self._company.seconds(self._company.start)
        for day in range(self._company.days.count):
            if day % 7 == 0:
                noise = 0.6 * noise + _WEEK_NOISE * self._arrivals.normal()
            expected = self._company.workflows_per_day * self._season(day) * exp(noise)
            moments = _moments_of_day(self._arrivals, day, expected)
            if self._doubled_from is not None and self._doubled_from < (day + 1) * DAY_S:
                extra = _moments_of_day(self._extra, day, expected)
                moments += [at for at in extra if at >= self._doubled_from]
            yield from (at for at in sorted(moments) if at >= begin)

    def client(self) -> Client:
        """Choose who asks."""
        return self._clients.choose(self._requests)

    def template(self, at: int, templates: tuple[Template, ...]) -> int:
        """Choose what is asked for at that time of the year; an index into `templates`."""
        month = int(self._year_ratio(at // DAY_S) * 12)
        if month not in self._templates:
            weights = (
                t.weight * (1 + _PEAK_SWING * cos(2 * pi * (month + 1 - t.peak_month) / 12))
                for t in templates
            )
            self._templates[month] = Weighted(range(len(templates)), weights)
        return self._templates[month].choose(self._requests)

    def channel(self, at: int) -> str:
        """Choose how the request came in."""
        is_day = (at % DAY_S) // 3600 in _OFFICE_HOURS
        return (_CHANNELS if is_day else _NIGHT_CHANNELS).choose(self._requests)

    def _season(self, day: int) -> float:
        weekday = (self._company.days.first.weekday() + day) % 7
        # Two waves a year, their crests in April and October.
        year = 1 - _YEAR_SWING * cos(4 * pi * (self._year_ratio(day) - 0.04))
        return _WEEKDAYS[weekday] / _WEEKDAY_MEAN * year

    def _year_ratio(self, day: int) -> float:
        """Return the part of the calendar year gone by, 0 to below 1."""
        begin = self._company.days.first.timetuple().tm_yday - 1
        return ((begin + day) % 365.25) / 365.25


def _moments_of_day(draws: Draws, day: int, expected: float) -> list[int]:
    count = int(draws.generator.poisson(expected))
    return [
        day * DAY_S + _HOURS.choose(draws) * 3600 + int(draws.uniform() * 3600)
        for _ in range(count)
    ]
