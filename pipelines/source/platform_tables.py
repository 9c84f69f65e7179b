"""Schema `workcast`: what the platform itself has to remember."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from pipelines.contracts import PLATFORM_SCHEMA
from pipelines.source.metadata import METADATA, document, key, moment

imports: Final = Table(
    "imports",
    METADATA,
    Column("import_id", UUID, primary_key=True),
    Column("file", Text, nullable=False),
    Column("sha256", Text),  # of the file's bytes; null where no single file was read
    Column("mapping", Text),
    Column("mapping_sha256", Text),
    Column("status", Text, nullable=False),
    Column("message", Text),  # why it failed
    moment("started_at", nullable=False, default_now=True),
    moment("finished_at"),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in (
            "read_count",
            "rejected_count",
            "events_added_count",
            "events_present_count",
            "tasks_added_count",
            "tasks_present_count",
            "workflows_added_count",
            "workflows_present_count",
        )
    ),
    moment("first_recorded_at"),
    moment("last_recorded_at"),
    CheckConstraint("status IN ('loaded', 'failed')", name="status_known"),
    # The same file read the same way is loaded once.
    Index(
        None,
        "sha256",
        "mapping_sha256",
        unique=True,
        postgresql_where=text("status = 'loaded'"),
    ),
    schema=PLATFORM_SCHEMA,
)

rejected_rows: Final = Table(
    "rejected_rows",
    METADATA,
    Column("rejected_row_id", BigInteger, Identity(always=True), primary_key=True),
    Column(
        "import_id",
        UUID,
        ForeignKey("workcast.imports.import_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("file", Text, nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("column_name", Text),
    Column("value", Text),
    Column("reason", Text, nullable=False),
    schema=PLATFORM_SCHEMA,
)

predictions: Final = Table(
    "predictions",
    METADATA,
    Column("prediction_id", UUID, primary_key=True),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_alias", Text),
    # No reference: an answer is logged whatever the source database knows by now.
    Column("workflow_id", Text, nullable=False),
    Column("task_id", Text),
    moment("as_of", nullable=False),
    moment("features_known_at"),
    moment("requested_at", nullable=False),
    Column("latency_ms", Double),
    document("inputs"),
    document("features"),
    Column("output", JSONB, nullable=False),
    # champion, challenger, shadow (computed and shown to nobody), or what_if (of features that
    # whoever asked had changed: no prediction about the workflow as it is).
    Column("variant", Text),
    # Probability with which this variant was to be shown; 0 of a shadow, null where not drawn.
    Column("propensity", Double),
    Column("is_degraded", Boolean, nullable=False, server_default=text("false")),
    # The prediction whose answer was given again, from the cache; it has the features too.
    Column("cached_from", UUID),
    CheckConstraint("propensity BETWEEN 0 AND 1", name="propensity_is_probability"),
    Index(None, "model_name", "requested_at"),
    Index(None, "workflow_id"),
    schema=PLATFORM_SCHEMA,
)

feedback: Final = Table(
    "feedback",
    METADATA,
    Column("feedback_id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    # No reference: the prediction may still be in another process's queue, or on its disk.
    Column("prediction_id", UUID, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # the verdict
    document("content"),  # chosen: what was done instead; reason
    Column("given_by", Text),
    moment("given_at", nullable=False, default_now=True),
    CheckConstraint("kind IN ('accepted', 'overridden', 'rejected')", name="kind_known"),
    schema=PLATFORM_SCHEMA,
)

alerts: Final = Table(
    "alerts",
    METADATA,
    Column("alert_id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("subject", Text, nullable=False),  # id of a workflow, a task, a person, an activity
    Column("score", Double),
    Column("message", Text, nullable=False),
    document("details"),
    moment("as_of"),  # of the history in which it was seen last
    moment("raised_at", nullable=False, default_now=True),
    moment("updated_at", nullable=False, default_now=True),
    moment("closed_at"),  # null while it holds
    moment("acknowledged_at"),
    Column("acknowledged_by", Text),
    CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity_known"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score_is_ratio"),
    CheckConstraint("acknowledged_at >= raised_at", name="acknowledged_after_raised"),
    CheckConstraint("closed_at >= raised_at", name="closed_after_raised"),
    Index(None, "raised_at"),
    # Nothing is open twice.
    Index(None, "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
    schema=PLATFORM_SCHEMA,
)

# What each report of drift found; the report itself is a page, and lies in Evidently's workspace.
drift_reports: Final = Table(
    "drift_reports",
    METADATA,
    key("drift_report_id"),  # Evidently's
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    moment("current_until", nullable=False),  # the last moment of prediction compared
    moment("reported_at", nullable=False, default_now=True),
    Column("drifted_ratio", Double, nullable=False),  # of the compared columns
    Column("drifted_columns", JSONB, nullable=False),
    Column("compared_column_count", BigInteger, nullable=False),
    Column("mae_reference", Double),  # seconds; null of a model that predicts no duration
    Column("mae_current", Double),
    CheckConstraint("drifted_ratio BETWEEN 0 AND 1", name="drifted_ratio_is_ratio"),
    Index(None, "model_name", "reported_at"),
    schema=PLATFORM_SCHEMA,
)

# Append-only, as `task_events`.
audit_log: Final = Table(
    "audit_log",
    METADATA,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    moment("happened_at", nullable=False, default_now=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    document("details"),
    # Null for what the platform itself has done; a request's entry is written once.
    Column("request_id", UUID, unique=True),
    Index(None, "happened_at"),
    Index(None, "actor", "happened_at"),
    schema=PLATFORM_SCHEMA,
)

watermarks: Final = Table(
    "watermarks",
    METADATA,
    key("stage"),
    moment("watermark_at", nullable=False),
    moment("updated_at", nullable=False, default_now=True),
    schema=PLATFORM_SCHEMA,
)
