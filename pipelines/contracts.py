"""Names that more than one room of the house uses: columns, views, models, aliases, DAG ids.

Standard library only, so that a DAG file or a request handler can import it for free.
"""

from enum import StrEnum
from typing import Final


class Transition(StrEnum):
    """What happened to a task in one event; `history` maps every log's own words to these."""

    CREATED = "created"
    ASSIGNED = "assigned"
    STARTED = "started"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class HistoryTable(StrEnum):
    """Tables under `lake/history`; each is partitioned by its `recorded_at`."""

    TASK_EVENTS = "task_events"
    WORKFLOWS = "workflows"
    WORKFLOW_CLOSURES = "workflow_closures"


class PresentTable(StrEnum):
    """Tables under `lake/present`: what the source says now, replaced by each extract."""

    OPEN_TASKS = "open_tasks"
    PEOPLE = "people"


class FeatureView(StrEnum):
    """Feature views, under `lake/features` and in Feast by these names."""

    WORKFLOW_PROGRESS = "workflow_progress"
    WORKFLOW_STATUS = "workflow_status"
    ACTIVITY_STATS = "activity_stats"
    PERSON_WORKLOAD = "person_workload"
    PERSON_ACTIVITY = "person_activity"
    TEAM_LOAD = "team_load"


class Model(StrEnum):
    """Registered models."""

    REMAINING_TIME = "remaining_time"
    DELAY_RISK = "delay_risk"
    TASK_DURATION = "task_duration"
    ASSIGNEE = "assignee"
    TEMPLATE = "template"
    NEXT_ACTIVITY = "next_activity"


# Those that answer about a running workflow at a moment, from the features known then.
WORKFLOW_MODELS: Final = (Model.REMAINING_TIME, Model.DELAY_RISK)
# Those with a feature service, called as the model is; the others read the history itself.
FEATURE_MODELS: Final = (*WORKFLOW_MODELS, Model.TASK_DURATION)


class Alias(StrEnum):
    """Registry aliases: the version that answers, and the one that would like to."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class Role(StrEnum):
    """What a caller of the service may do; tokens carry these names."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    ADMIN = "admin"


class RiskKind(StrEnum):
    """What an alert warns of."""

    LATE_WORKFLOW = "late_workflow"
    LATE_TASK = "late_task"
    OVERLOADED_PERSON = "overloaded_person"
    BOTTLENECK_ACTIVITY = "bottleneck_activity"


class Severity(StrEnum):
    """How urgent an alert is, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class DagId(StrEnum):
    """The DAGs, one file each under `dags/`."""

    EXTRACT_HISTORY = "extract_history"
    BUILD_FEATURES = "build_features"
    TRAIN_MODELS = "train_models"
    PROMOTE_MODELS = "promote_models"
    MONITOR_DRIFT = "monitor_drift"
    RAISE_ALERTS = "raise_alerts"


class AssetName(StrEnum):
    """Airflow assets; each DAG is started by the one before it."""

    SOURCE_HISTORY = "source_history"
    LAKE_HISTORY = "lake_history"
    FEATURES = "features"
    CHALLENGERS = "challengers"
    PROMOTIONS = "promotions"


class Stage(StrEnum):
    """Stages whose watermark (everything recorded before it has been processed) is kept."""

    EXTRACT = "extract"
    FEATURES = "features"


class Engine(StrEnum):
    """What computes features and joins them to training sets."""

    DUCKDB = "duckdb"
    SPARK = "spark"


# Folders of the lake; rows found in quarantine count as not there.
HISTORY_FOLDER: Final = "history"
PRESENT_FOLDER: Final = "present"
QUARANTINE_FOLDER: Final = "quarantine"
FEATURES_FOLDER: Final = "features"
TRAINING_FOLDER: Final = "training"

WORKFLOW_SCHEMA: Final = "workflow"
PLATFORM_SCHEMA: Final = "workcast"
DASHBOARDS_SCHEMA: Final = "dashboards"

REGISTRY_EVENTS_PATH: Final = "/registry_events"
"""Where the service hears from MLflow that an alias moved."""

EVENT_TIMESTAMP: Final = "event_timestamp"
CREATED_TIMESTAMP: Final = "created_timestamp"
