"""A small made-up history whose remaining times follow from its features."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.learning.labels import workflow_labels
from pipelines.learning.split import split_by_time
from pipelines.learning.training_set import TrainingSet, build_training_set

START = pd.Timestamp("2024-01-01", tz="UTC")


@dataclass(frozen=True)
class History:
    moments: pd.DataFrame
    workflows: pd.DataFrame
    closures: pd.DataFrame


def make_history(count: int = 400, seed: int = 0) -> History:
    """One workflow every three hours; kind and backlog decide how long it takes."""
    rng = np.random.default_rng(seed)
    opened = pd.Series(START + pd.to_timedelta(np.arange(count) * 3, unit="h")).dt.as_unit("us")
    kind = rng.choice(["quick", "slow"], count, p=[0.6, 0.4])
    backlog = rng.integers(0, 10, count)
    hours = np.where(kind == "slow", 40.0, 8.0) * (1 + backlog / 10) * rng.lognormal(0, 0.2, count)
    closed = (opened + pd.to_timedelta(hours, unit="h")).dt.as_unit("us")
    ids = [f"w{i:04d}" for i in range(count)]
    workflows = pd.DataFrame(
        {
            "workflow_id": ids,
            "template_id": "t",
            "opened_at": opened,
            "due_at": (opened + pd.Timedelta(hours=24)).dt.as_unit("us"),
        }
    )
    closures = pd.DataFrame(
        {
            "workflow_id": ids,
            "closed_at": closed,
            "outcome_is_late": pd.array([None] * count, dtype="boolean"),
            "recorded_at": closed,
        }
    )
    parts = []
    for position, activity in enumerate(("register", "handle", "check")):
        as_of = (opened + pd.to_timedelta(hours * position / 3, unit="h")).dt.as_unit("us")
        parts.append(
            pd.DataFrame(
                {
                    "workflow_id": ids,
                    "as_of": as_of,
                    "event_timestamp": as_of,
                    "workflow_progress__event_count": position + 1,
                    "workflow_progress__last_activity": activity,
                    "workflow_progress__last_person_id": rng.choice(["ann", "bob", None], count),
                    "workflow_progress__template_id": "t",
                    "workflow_progress__opened_at": opened,
                    "workflow_progress__workflow_attributes": [
                        f'{{"kind": "{k}", "amount": "{a}"}}'
                        for k, a in zip(kind, rng.integers(1, 1000, count), strict=True)
                    ],
                    "team_load__open_task_count": backlog,
                    "person_activity__last_completed_at": as_of - pd.Timedelta(hours=5),
                    "elapsed_now_s": hours * 3600 * position / 3,
                    "slack_s": 24 * 3600 - hours * 3600 * position / 3,
                }
            )
        )
    moments = pd.concat(parts, ignore_index=True)
    shift = pd.to_timedelta(rng.integers(1, 90, len(moments)), unit="m")
    moments["person_activity__last_completed_at"] -= shift
    return History(moments, workflows, closures)


def make_training_set(count: int = 400, seed: int = 0) -> TrainingSet:
    history = make_history(count, seed)
    split = split_by_time(history.workflows, history.closures, 0.25)
    labels = workflow_labels(history.workflows, history.closures, 0.8, split.test_start)
    return build_training_set(history.moments, labels, split)
