"""Made-up workflows whose next activity follows from the amount and from what came first."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

ACTIVITIES = ("register", "check", "approve", "inform")
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


def make_history(count: int = 150, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Task events and workflows as the lake has them; each activity mostly leads to the next one.

    Tasks have two events; some are recorded late, or at one instant, and some things are missing.
    Every twentieth workflow is long, every seventh has one event.
    """
    rng = np.random.default_rng(seed)
    events, workflows = [], []
    for number in range(count):
        at, step = START + pd.Timedelta(hours=7 * number), 0
        size = int(rng.integers(1, 9)) if number % 20 else 60
        for place in range(1 if number % 7 == 3 else size):
            attributes = json.dumps({"size": int(rng.integers(9))}) if rng.random() < 0.7 else "{}"
            for transition in ("started", "completed")[: 1 if number % 7 == 3 else 2]:
                late = pd.Timedelta(minutes=int(rng.choice([0, 0, 0, 20])))
                events.append(
                    {
                        "workflow_id": f"w{number:04d}",
                        "task_id": f"w{number:04d}/{place}",
                        "activity": ACTIVITIES[step % len(ACTIVITIES)],
                        "transition": transition,
                        "person_id": rng.choice(["ann", "bob", None]),
                        "team_id": rng.choice(["desk", "field", None]),
                        "attributes": attributes if transition == "started" else "{}",
                        "occurred_at": at,
                        "recorded_at": at + late,
                        "sequence": len(events),
                    }
                )
                at += pd.Timedelta(minutes=int(rng.choice([0, 5, 700])))
            step += int(rng.random() < 0.8)
        workflows.append(
            {
                "workflow_id": f"w{number:04d}",
                "template_id": rng.choice(["long", "short", None]),
                "client_id": rng.choice(["c1", "c2", None]),
                "priority": rng.choice(["high", "low", None]),
                "attributes": json.dumps({"amount": int(rng.integers(99)), "kind": "a"}),
            }
        )
    frame = pd.DataFrame(events)
    times = {name: frame[name].dt.as_unit("us") for name in ("occurred_at", "recorded_at")}
    return frame.assign(**times), pd.DataFrame(workflows)


def as_read(task_events: pd.DataFrame, workflows: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Return the events of each workflow as a database has them: in its time zone, in no order."""
    zone = ZoneInfo("Europe/Berlin")
    of_workflow = workflows.rename(columns={"attributes": "workflow_attributes"})
    rows = task_events.merge(of_workflow, on="workflow_id")
    rows = rows.astype(object).where(rows.notna(), None)
    return [
        [
            {
                str(name): value.to_pydatetime().astimezone(zone)
                if isinstance(value, pd.Timestamp)
                else value
                for name, value in row.items()
            }
            for row in events.sample(frac=1, random_state=0).to_dict("records")
        ]
        for _, events in rows.groupby("workflow_id", sort=False)
    ]
