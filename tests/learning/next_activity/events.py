"""Made-up workflows whose next activity follows from the amount and from what came first."""

import json

import numpy as np
import pandas as pd

START = pd.Timestamp("2024-01-01", tz="UTC")


def make_events(count: int = 150, seed: int = 0) -> pd.DataFrame:
    """Register or receive, check twice or more, approve or refuse; registered ones are archived.

    The last two activities do not tell whether a workflow is archived; the first one does.
    Large amounts are refused. Every third workflow checks within one instant.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        is_registered, amount = rng.random() < 0.5, int(rng.integers(1, 100))
        at, steps = START + pd.Timedelta(hours=7 * number), []
        steps += ["register" if is_registered else "receive", "check", "check"]
        steps += ["check"] * int(rng.random() < 0.3)
        steps += ["refuse" if amount > 50 else "approve", "inform"]
        steps += ["archive"] * is_registered
        for step in steps:
            rows.append(
                {
                    "workflow_id": f"w{number:04d}",
                    "as_of": at,
                    "activity": step,
                    "transition": "completed",
                    "person_id": str(rng.choice(["ann", "bob"])),
                    "team_id": None,
                    "task_attributes": "{}",
                    "priority": "high" if amount > 90 else "normal",
                    "workflow_attributes": json.dumps({"amount": amount}),
                }
            )
            is_tied = step == "check" and number % 3 == 0
            at += pd.Timedelta(hours=0 if is_tied else float(rng.exponential(4)))
    events = pd.DataFrame(rows)
    return events.assign(as_of=events["as_of"].dt.as_unit("us"))


def ends_after(events: pd.DataFrame, position: int) -> pd.DataFrame:
    """Return the first `position` events of every workflow."""
    so_far = events.groupby("workflow_id").cumcount() < position
    return events[so_far].reset_index(drop=True)
