"""Made-up workflows whose template follows from the product and from a trait of the client."""

import json
from typing import Final

import numpy as np
import pandas as pd

START: Final = pd.Timestamp("2024-01-01", tz="UTC")
STEPS: Final = {
    "install": ("plan", "order", "install", "accept"),
    "repair": ("diagnose", "repair", "answer"),
    "quick": ("diagnose", "answer"),
}
_HOURS: Final = {"install": 100.0, "repair": 30.0, "quick": 5.0}
_TRANSITIONS: Final = ("started", "completed")


def make_workflows(count: int = 400, seed: int = 0) -> pd.DataFrame:
    """One workflow every two hours: boxes are installed; of faults, odd clients want a repair.

    Urgent work takes half the time; a workflow is due after twice the usual time of its template.
    Half of the installations are late.
    """
    rng = np.random.default_rng(seed)
    client = rng.integers(0, 30, count)
    product = rng.choice(["box", "fault"], count, p=[0.3, 0.7])
    template = np.select([product == "box", client % 2 == 1], ["install", "repair"], "quick")
    is_other = rng.random(count) < 0.1
    template = np.where(is_other, rng.choice(list(STEPS), count), template)
    priority = rng.choice(["urgent", "normal"], count)
    usual = pd.Series(template).map(_HOURS).to_numpy()
    factor = np.where(template == "install", rng.choice([1.0, 3.0], count), rng.uniform(0.8, 1.2))
    hours = usual * factor * np.where(priority == "urgent", 0.5, 1.0)
    opened = pd.Series(START + pd.to_timedelta(2 * np.arange(count), unit="h"))
    closed = opened + pd.to_timedelta(np.round(hours * 3600), unit="s")
    due = opened + pd.to_timedelta(np.where(priority == "urgent", usual, 2 * usual), unit="h")
    return pd.DataFrame(
        {
            "workflow_id": [f"w{number:04d}" for number in range(count)],
            "template_id": template,
            "client_id": [f"c{number:02d}" for number in client],
            "priority": priority,
            "opened_at": opened.dt.as_unit("us"),
            "due_at": due.dt.as_unit("us"),
            "closed_at": closed.dt.as_unit("us"),
            "outcome": None,
            "outcome_is_late": pd.array([None] * count, dtype="boolean"),
            "attributes": [json.dumps({"product": one}) for one in product],
            "recorded_at": opened.dt.as_unit("us"),
            "closure_recorded_at": closed.dt.as_unit("us"),
        }
    )


def make_task_events(workflows: pd.DataFrame) -> pd.DataFrame:
    """Start and complete the steps of each workflow's template, evenly from opening to closing."""
    rows = []
    for one in workflows.itertuples():
        steps = STEPS[str(one.template_id)]
        moments = pd.date_range(one.opened_at, one.closed_at, 2 * len(steps)).as_unit("us")
        for number, at in enumerate(moments):
            step = steps[number // 2]
            rows.append(
                {
                    "workflow_id": one.workflow_id,
                    "task_id": f"{one.workflow_id}/{step}",
                    "activity": step,
                    "transition": _TRANSITIONS[number % 2],
                    "team_id": "desk" if number == 0 else "field",
                    "occurred_at": at,
                    "sequence": len(rows),
                }
            )
    return pd.DataFrame(rows)
