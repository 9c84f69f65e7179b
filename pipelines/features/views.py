"""The feature views as data: keys, columns, Arrow types, meaning and time-to-live.

Feast's definitions, the validation suites and the models' inputs are made from or checked
against this. Every view also has the two timestamps: `event_timestamp`, when a row was true,
and `created_timestamp`, the first moment the platform could have known it. Rows of the views
that close a day carry the last microsecond of that UTC day in both: they use what had
happened and had been recorded on that day or before, nothing else.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.history.schema import TIMESTAMP

_TEXT: Final = pa.string()
_COUNT: Final = pa.int64()
_REAL: Final = pa.float64()


@dataclass(frozen=True)
class FeatureColumn:
    """One column: Arrow type, one-line meaning with its unit, and whether it may be null."""

    name: str
    dtype: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class ViewSpec:
    """One feature view; `ttl_days` 0 means that a row never expires."""

    name: FeatureView
    entities: tuple[FeatureColumn, ...]
    columns: tuple[FeatureColumn, ...]
    ttl_days: int

    @property
    def entity_columns(self) -> tuple[str, ...]:
        """Names of the join keys."""
        return tuple(column.name for column in self.entities)

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that together are unique, in the order rows are stored."""
        return (EVENT_TIMESTAMP, *self.entity_columns, CREATED_TIMESTAMP)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of a partition: join keys, both timestamps, features."""
        return pa.schema(
            [
                *(pa.field(c.name, c.dtype, c.nullable) for c in self.entities),
                pa.field(EVENT_TIMESTAMP, TIMESTAMP, nullable=False),
                pa.field(CREATED_TIMESTAMP, TIMESTAMP, nullable=False),
                *(pa.field(c.name, c.dtype, c.nullable) for c in self.columns),
            ]
        )


def qualified(view: FeatureView, column: str) -> str:
    """Name a feature as Feast does with full feature names: `view__column`."""
    return f"{view.value}__{column}"


WORKFLOW_ID: Final = FeatureColumn("workflow_id", _TEXT, "Workflow.")
ACTIVITY: Final = FeatureColumn("activity", _TEXT, "Activity, the type of a task.")
PERSON_ID: Final = FeatureColumn("person_id", _TEXT, "Person.")
TEAM_ID: Final = FeatureColumn("team_id", _TEXT, "Team.")

WORKFLOW_PROGRESS: Final = ViewSpec(
    FeatureView.WORKFLOW_PROGRESS,
    (WORKFLOW_ID,),
    (
        FeatureColumn("opened_at", TIMESTAMP, "Opening; first known event where unknown."),
        FeatureColumn("due_at", TIMESTAMP, "Due date known at opening.", nullable=True),
        FeatureColumn("last_event_at", TIMESTAMP, "When the last event happened."),
        FeatureColumn("event_count", _COUNT, "Events so far: the position in the workflow."),
        FeatureColumn("elapsed_s", _REAL, "Seconds from opening to the last event."),
        FeatureColumn(
            "since_previous_event_s",
            _REAL,
            "Seconds from the previous moment with an event to the last; null at the first.",
            nullable=True,
        ),
        FeatureColumn(
            "working_elapsed_s",
            _REAL,
            "Working seconds (Monday to Friday, 8 to 18 UTC) from opening to the last event.",
        ),
        FeatureColumn(
            "task_age_s",
            _REAL,
            "Seconds from the first event of the last event's task to the last.",
        ),
        FeatureColumn(
            "task_waiting_time_s",
            _REAL,
            "Seconds the last event's task waited until it was started; null where unknown.",
            nullable=True,
        ),
        FeatureColumn("last_activity", _TEXT, "Activity of the last event."),
        FeatureColumn("previous_activity_1", _TEXT, "Activity one event earlier.", nullable=True),
        FeatureColumn("previous_activity_2", _TEXT, "Activity two events earlier.", nullable=True),
        FeatureColumn(
            "previous_activity_3", _TEXT, "Activity three events earlier.", nullable=True
        ),
        FeatureColumn("last_transition", _TEXT, "Transition of the last event."),
        FeatureColumn("last_person_id", _TEXT, "Last person named by an event.", nullable=True),
        FeatureColumn("last_team_id", _TEXT, "Last team named by an event.", nullable=True),
        FeatureColumn("distinct_activity_count", _COUNT, "Different activities so far."),
        FeatureColumn("activity_counts", _TEXT, "JSON object: events so far of each activity."),
        FeatureColumn(
            "rework_count", _COUNT, "Events so far whose activity had already been completed."
        ),
        FeatureColumn(
            "handover_count", _COUNT, "Changes of person between events that name one, so far."
        ),
        FeatureColumn(
            "open_task_count", _COUNT, "Tasks begun and neither completed nor cancelled."
        ),
        FeatureColumn("template_id", _TEXT, "Template.", nullable=True),
        FeatureColumn("client_id", _TEXT, "Client.", nullable=True),
        FeatureColumn("priority", _TEXT, "Priority, in the log's own words.", nullable=True),
        FeatureColumn("workflow_attributes", _TEXT, "JSON object of facts known at opening."),
        FeatureColumn(
            "task_attributes", _TEXT, "JSON object: last known value of every task attribute."
        ),
    ),
    ttl_days=365,
)

WORKFLOW_STATUS: Final = ViewSpec(
    FeatureView.WORKFLOW_STATUS,
    (WORKFLOW_ID,),
    (
        FeatureColumn("is_closed", pa.bool_(), "Whether the workflow is closed."),
        FeatureColumn("opened_at", TIMESTAMP, "Opening, where known.", nullable=True),
        FeatureColumn("closed_at", TIMESTAMP, "Closing; null while open.", nullable=True),
    ),
    ttl_days=0,
)

ACTIVITY_STATS: Final = ViewSpec(
    FeatureView.ACTIVITY_STATS,
    (ACTIVITY,),
    (
        FeatureColumn("event_count_30d", _COUNT, "Events of the last 30 days."),
        FeatureColumn("completed_count_30d", _COUNT, "Tasks completed in the last 30 days."),
        FeatureColumn(
            "sojourn_time_s_median_30d",
            _REAL,
            "Median sojourn of the tasks completed in the last 30 days, seconds.",
            nullable=True,
        ),
        FeatureColumn(
            "sojourn_time_s_mean_30d",
            _REAL,
            "Mean sojourn of the tasks completed in the last 30 days, seconds.",
            nullable=True,
        ),
        FeatureColumn("open_task_count", _COUNT, "Tasks of the activity open at the day's end."),
        FeatureColumn(
            "state_workflow_count",
            _COUNT,
            "Open workflows at the day's end whose last event was of the activity.",
        ),
        FeatureColumn(
            "remaining_time_s_mean_30d",
            _REAL,
            "Mean time from the activity to closing of the workflows closed in the last 30 days, "
            "seconds.",
            nullable=True,
        ),
        FeatureColumn("open_workflow_count", _COUNT, "Open workflows at the day's end."),
        FeatureColumn("opened_workflow_count_7d", _COUNT, "Workflows opened in the last 7 days."),
        FeatureColumn("closed_workflow_count_7d", _COUNT, "Workflows closed in the last 7 days."),
    ),
    ttl_days=90,
)

PERSON_WORKLOAD: Final = ViewSpec(
    FeatureView.PERSON_WORKLOAD,
    (PERSON_ID,),
    (
        FeatureColumn("open_task_count", _COUNT, "Open tasks the person holds at the day's end."),
        FeatureColumn("completed_count_7d", _COUNT, "Tasks completed in the last 7 days."),
        FeatureColumn("completed_count_30d", _COUNT, "Tasks completed in the last 30 days."),
        FeatureColumn(
            "sojourn_time_s_median_30d",
            _REAL,
            "Median sojourn of the tasks completed in the last 30 days, seconds.",
            nullable=True,
        ),
        FeatureColumn(
            "on_time_ratio",
            _REAL,
            "Share of the tasks completed in the last 30 days that were completed by their "
            "workflow's due date (0 to 1); null where none had one.",
            nullable=True,
        ),
    ),
    ttl_days=90,
)

PERSON_ACTIVITY: Final = ViewSpec(
    FeatureView.PERSON_ACTIVITY,
    (PERSON_ID, ACTIVITY),
    (
        FeatureColumn("completed_count", _COUNT, "Tasks of the activity completed, ever."),
        FeatureColumn("last_completed_at", TIMESTAMP, "When the latest of them was completed."),
        FeatureColumn(
            "relative_speed_ratio",
            _REAL,
            "Mean service time (sojourn where unknown) of the person over everyone's for the "
            "activity; below 1 is faster.",
            nullable=True,
        ),
    ),
    ttl_days=730,
)

TEAM_LOAD: Final = ViewSpec(
    FeatureView.TEAM_LOAD,
    (TEAM_ID,),
    (
        FeatureColumn("open_task_count", _COUNT, "Open tasks the team holds at the day's end."),
        FeatureColumn("completed_count_7d", _COUNT, "Tasks completed in the last 7 days."),
        FeatureColumn(
            "active_person_count_30d", _COUNT, "People with an event in the last 30 days."
        ),
    ),
    ttl_days=90,
)

VIEWS: Final[dict[FeatureView, ViewSpec]] = {
    spec.name: spec
    for spec in (
        WORKFLOW_PROGRESS,
        WORKFLOW_STATUS,
        ACTIVITY_STATS,
        PERSON_WORKLOAD,
        PERSON_ACTIVITY,
        TEAM_LOAD,
    )
}
