"""Seeded random histories with all that can go wrong: late, tied, missing, unordered."""

import json
from datetime import timedelta
from random import Random

import pyarrow as pa

from pipelines.contracts import HistoryTable, Transition
from tests.features.tables import MONDAY, Row, arrow_tables, closure, event, workflow

_DAYS = 45
_TRANSITIONS = (*Transition, *(Transition.COMPLETED,) * 4)


def random_tables(seed: int, workflow_count: int) -> dict[HistoryTable, pa.Table]:
    """Draw a history; times fall on whole hours, so that ties are frequent."""
    random = Random(seed)  # noqa: S311 - a test's dice
    events: list[Row] = []
    workflows: list[Row] = []
    closures: list[Row] = []
    for n in range(workflow_count):
        name = f"w{n}"
        own = _events(random, name)
        events += own
        opened_at = min(row["occurred_at"] for row in own)
        if random.random() < 0.9:
            workflows.append(
                workflow(
                    name,
                    opened_at - timedelta(hours=random.choice((0, 0, 5))),
                    recorded_at=opened_at + _delay(random),
                    due_at=random.choice((None, opened_at + timedelta(days=2))),
                    priority=random.choice((None, "high", "low")),
                    attributes=random.choice(("{}", '{"amount": 5}')),
                )
            )
        if random.random() < 0.6:
            closed_at = max(row["occurred_at"] for row in own)
            closures.append(closure(name, closed_at, closed_at + _delay(random)))
            if random.random() < 0.2:  # corrected
                later = closures[-1]["recorded_at"] + timedelta(hours=random.randrange(1, 99))
                closures.append(
                    closure(name, closed_at + timedelta(hours=random.choice((-5, 5))), later)
                )
    return arrow_tables(events, workflows, closures)


def _events(random: Random, name: str) -> list[Row]:
    moment = MONDAY + timedelta(hours=random.randrange(_DAYS * 24))
    events = []
    for _ in range(random.randint(1, 9)):
        moment += timedelta(hours=random.choice((0, 0, 1, 7, 30)))
        values = {"a": random.randrange(3), "b": None, 'c "d"': "x, }"}
        keys = random.sample(sorted(values), random.randint(0, 3))
        events.append(
            event(
                name,
                random.choice("ABC"),
                moment,
                transition=random.choice(_TRANSITIONS).value,
                task=f"{name}-{random.randrange(4)}",
                person=random.choice((None, "p1", "p2", "p3")),
                team=random.choice((None, "t1", "t2")),
                recorded_at=moment + _delay(random),
                attributes=json.dumps({key: values[key] for key in keys}),
            )
        )
    random.shuffle(events)
    return events


def _delay(random: Random) -> timedelta:
    """Mostly none; sometimes hours or days; rarely recorded before it happens."""
    return timedelta(hours=random.choice((0, 0, 0, 0, 1, 9, 60, 24 * 33, -2)))
