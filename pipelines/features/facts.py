"""What of earlier days the views that close a day need, kept in the lake beside the features.

A completion, and a workflow's times to its closing, are settled when they are recorded; later
recordings do not revise them. So an interval adds to these facts and leaves the older ones alone.
"""

from typing import Final

import pyarrow as pa

from pipelines.features.write import Dataset
from pipelines.history.schema import TIMESTAMP

FACTS_FOLDER: Final = "feature_facts"
CARRIED_FOLDER: Final = f"{FACTS_FOLDER}/carried"  # see `carry`

COMPLETIONS: Final = Dataset(
    "completions",
    f"{FACTS_FOLDER}/completions",
    pa.schema(
        [
            pa.field("workflow_id", pa.string(), nullable=False),
            pa.field("task_id", pa.string(), nullable=False),
            pa.field("recorded_at", TIMESTAMP, nullable=False),
            pa.field("completed_at", TIMESTAMP, nullable=False),
            pa.field("activity", pa.string()),
            pa.field("person_id", pa.string()),
            pa.field("team_id", pa.string()),
            pa.field("happened_day", pa.int64(), nullable=False),
            pa.field("known_day", pa.int64(), nullable=False),
            pa.field("waiting_time_s", pa.float64()),
            pa.field("service_time_s", pa.float64()),
            pa.field("sojourn_time_s", pa.float64()),
        ]
    ),
    ("recorded_at", "workflow_id", "task_id", "completed_at"),
    "recorded_at",
)
TIMES_TO_CLOSING: Final = Dataset(
    "times_to_closing",
    f"{FACTS_FOLDER}/times_to_closing",
    pa.schema(
        [
            pa.field("workflow_id", pa.string(), nullable=False),
            pa.field("activity", pa.string()),
            pa.field("recorded_at", TIMESTAMP, nullable=False),
            pa.field("remaining_time_s", pa.float64(), nullable=False),
            pa.field("happened_day", pa.int64(), nullable=False),
            pa.field("known_day", pa.int64(), nullable=False),
        ]
    ),
    ("recorded_at", "workflow_id", "activity"),
    "recorded_at",
)
KEPT_FACTS: Final = (COMPLETIONS, TIMES_TO_CLOSING)
