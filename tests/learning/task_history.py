"""A small made-up history of tasks whose durations follow from who does what."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID

START = pd.Timestamp("2024-01-01", tz="UTC")
_TYPICAL_S = {"check": 120.0, "decide": 1_200.0, "file": 60.0}
_PACE = {"ann": 0.5, "bob": 1.0, "cem": 2.5}


@dataclass(frozen=True)
class TaskHistory:
    tasks: pd.DataFrame
    events: pd.DataFrame


def make_task_history(count: int = 400, seed: int = 0) -> TaskHistory:
    """One workflow every two hours, each with three tasks; some starts name nobody."""
    rng = np.random.default_rng(seed)
    tasks, events = [], []
    for number in range(count):
        workflow = f"w{number:04d}"
        now = START + pd.Timedelta(hours=2 * number)
        person = ""
        for position, (activity, typical_s) in enumerate(_TYPICAL_S.items()):
            created = now
            started = created + pd.Timedelta(seconds=int(rng.integers(30, 3_000)))
            person = str(rng.choice([*_PACE]))
            duration_s = typical_s * _PACE[person] * rng.lognormal(0, 0.4)
            completed = (started + pd.Timedelta(seconds=duration_s)).floor("us")
            starter = person if rng.random() < 0.9 else None
            ids = (f"{workflow}/{activity}/1", workflow, activity)
            tasks.append((*ids, person, created, started, completed))
            for transition, by, at in (
                ("created", None, created),
                ("started", starter, started),
                ("completed", person, completed),
            ):
                progress = 3 * position + {"created": 1, "started": 2, "completed": 3}[transition]
                events.append((workflow, activity, transition, by, at, progress, person))
            now = completed
    return TaskHistory(
        pd.DataFrame(
            tasks,
            columns=[
                "task_id",
                WORKFLOW_ID,
                "activity",
                "person_id",
                "created_at",
                "started_at",
                "completed_at",
            ],
        ).assign(cancelled_at=pd.to_datetime([None] * len(tasks), utc=True)),
        pd.DataFrame(
            events,
            columns=[
                WORKFLOW_ID,
                "activity",
                "transition",
                "person_id",
                AS_OF,
                "workflow_progress__event_count",
                "workflow_progress__last_person_id",
            ],
        ),
    )
