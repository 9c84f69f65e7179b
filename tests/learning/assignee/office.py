"""A small office: workflows go from the desk to a specialist and back to who is on duty."""

import numpy as np
import pandas as pd

from pipelines.learning.assignee.coded_log import CodedLog, Mask
from pipelines.learning.assignee.pairs import Pairs
from pipelines.learning.assignee.split import fit_and_validation

DESK = ("ann", "bob")
SPECIALISTS = {"loan": ("cem", "dee"), "claim": ("eva", "fay")}
START = pd.Timestamp("2024-01-01T08:00", tz="UTC")


def office_events(workflow_count: int = 150, seed: int = 0) -> pd.DataFrame:
    """Events of workflows an hour apart; ann is at the desk on even days, bob on odd ones.

    A specialist does `check <kind>`: mostly the first of the kind's two, and always the one
    who did the last workflow's check, three times out of four.
    """
    rng = np.random.default_rng(seed)
    rows = []
    last = {kind: people[0] for kind, people in SPECIALISTS.items()}
    for number in range(workflow_count):
        kind = ("loan", "claim")[int(rng.integers(2))]
        if rng.random() < 0.25:
            last[kind] = SPECIALISTS[kind][int(rng.integers(2))]
        begins = START + pd.Timedelta(hours=number)
        for step, (activity, hours) in enumerate(
            ((f"open {kind}", 0), ("check", 2.2), ("pay", 4.4))
        ):
            at = begins + pd.Timedelta(hours=hours)
            duty = DESK[at.dayofyear % 2]
            who = last[kind] if step == 1 else duty
            rows.append((f"w{number:03}", activity, who, at))
    return pd.DataFrame(rows, columns=["workflow_id", "activity", "person_id", "as_of"])


def event_row(workflow_id: str, activity: str, person_id: str, hours: float) -> dict[str, object]:
    """Return one event so many hours after the office opened."""
    at = START + pd.Timedelta(hours=hours)
    return {
        "workflow_id": workflow_id,
        "activity": activity,
        "person_id": person_id,
        "as_of": at,
    }


def sides(log: CodedLog, pairs: Pairs) -> tuple[Mask, Mask]:
    """Return which handovers to learn from and which to choose on."""
    return fit_and_validation(log.time_s[pairs.position], log.next_time_s[pairs.position])
