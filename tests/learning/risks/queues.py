"""Queues of made-up subjects, as the daily feature views tell of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

FIRST_DAY = pd.Timestamp("2024-01-01 23:59:59.999999", tz="UTC")
DAYS = 160


@dataclass(frozen=True)
class Provoked:
    """From this day on, a subject gets so many times the work or has so many times the hands."""

    subject: str
    day: int
    inflow_factor: float = 1.0
    capacity_factor: float = 1.0


def queue_rows(
    key: str, subjects: int = 8, provoked: Provoked | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return rows of each day and subject: 4 tasks a day come to hands for 5, Poisson both."""
    rng = np.random.default_rng(seed)
    names = [f"{key}-{number}" for number in range(subjects)]
    came = rng.poisson(4.0, (DAYS, subjects))
    could = rng.poisson(5.0, (DAYS, subjects))
    if provoked is not None:
        place, later = names.index(provoked.subject), slice(provoked.day, None)
        came[later, place] = rng.poisson(4.0 * provoked.inflow_factor, DAYS - provoked.day)
        could[later, place] = rng.poisson(5.0 * provoked.capacity_factor, DAYS - provoked.day)
    queue = np.zeros((DAYS, subjects), dtype=int)
    done = np.zeros((DAYS, subjects), dtype=int)
    held = np.full(subjects, 8)
    for day in range(DAYS):
        done[day] = np.minimum(held + came[day], could[day])
        held = held + came[day] - done[day]
        queue[day] = held
    totals = np.vstack([np.zeros(subjects, dtype=int), done.cumsum(axis=0)])
    ends = np.arange(1, DAYS + 1)
    trailing = {n: totals[ends] - totals[np.maximum(ends - n, 0)] for n in (7, 30)}
    moment = pd.Series(FIRST_DAY + pd.to_timedelta(np.arange(DAYS), unit="D")).dt.as_unit("us")
    return pd.DataFrame(
        {
            key: np.tile(names, DAYS),
            "event_timestamp": np.repeat(moment, subjects).to_numpy(),
            "created_timestamp": np.repeat(moment, subjects).to_numpy(),
            "open_task_count": queue.ravel(),
            "completed_count_7d": trailing[7].ravel(),
            "completed_count_30d": trailing[30].ravel(),
        }
    ).assign(
        event_timestamp=lambda rows: pd.to_datetime(rows["event_timestamp"], utc=True),
        created_timestamp=lambda rows: pd.to_datetime(rows["created_timestamp"], utc=True),
    )


def day_end(day: int) -> pd.Timestamp:
    """Return the last microsecond of a day counted from 0."""
    return FIRST_DAY + pd.Timedelta(days=day)
