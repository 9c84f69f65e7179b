"""Schema `workcast`: imports, predictions, alerts and what else the platform remembers.

Revision: 0003
Before it: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    "alerts",
    "audit_log",
    "imports",
    "predictions",
    "watermarks",
    "feedback",
    "rejected_rows",
)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column(
            "alert_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "raised_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_by", sa.Text()),
        sa.CheckConstraint(
            "severity IN ('info', 'warning', 'critical')", name=op.f("ck_alerts_severity_known")
        ),
        sa.CheckConstraint(
            "acknowledged_at >= raised_at", name=op.f("ck_alerts_acknowledged_after_raised")
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        schema="workcast",
    )
    op.create_index(op.f("ix_alerts_raised_at"), "alerts", ["raised_at"], schema="workcast")
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "happened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_log")),
        schema="workcast",
    )
    op.create_index(
        op.f("ix_audit_log_happened_at"), "audit_log", ["happened_at"], schema="workcast"
    )
    op.create_table(
        "imports",
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text()),
        sa.Column("mapping", sa.Text()),
        sa.Column("mapping_sha256", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("read_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "events_added_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "events_present_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "tasks_added_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "tasks_present_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "workflows_added_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column(
            "workflows_present_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("first_recorded_at", sa.DateTime(timezone=True)),
        sa.Column("last_recorded_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('loaded', 'failed')", name=op.f("ck_imports_status_known")),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imports")),
        schema="workcast",
    )
    op.create_index(
        op.f("ix_imports_sha256_mapping_sha256"),
        "imports",
        ["sha256", "mapping_sha256"],
        unique=True,
        schema="workcast",
        postgresql_where=sa.text("status = 'loaded'"),
    )
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.UUID(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_alias", sa.Text()),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text()),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("features_known_at", sa.DateTime(timezone=True)),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Double()),
        sa.Column(
            "inputs", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "features", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("output", postgresql.JSONB(), nullable=False),
        sa.Column("variant", sa.Text()),
        sa.Column("is_degraded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name=op.f("pk_predictions")),
        schema="workcast",
    )
    op.create_index(
        op.f("ix_predictions_model_name_requested_at"),
        "predictions",
        ["model_name", "requested_at"],
        schema="workcast",
    )
    op.create_index(
        op.f("ix_predictions_workflow_id"), "predictions", ["workflow_id"], schema="workcast"
    )
    op.create_table(
        "watermarks",
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("watermark_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("stage", name=op.f("pk_watermarks")),
        schema="workcast",
    )
    op.create_table(
        "feedback",
        sa.Column(
            "feedback_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("prediction_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "content", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("given_by", sa.Text()),
        sa.Column(
            "given_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["prediction_id"],
            ["workcast.predictions.prediction_id"],
            name=op.f("fk_feedback_prediction_id"),
        ),
        sa.PrimaryKeyConstraint("feedback_id", name=op.f("pk_feedback")),
        schema="workcast",
    )
    op.create_index(
        op.f("ix_feedback_prediction_id"), "feedback", ["prediction_id"], schema="workcast"
    )
    op.create_table(
        "rejected_rows",
        sa.Column("rejected_row_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("row_number", sa.BigInteger(), nullable=False),
        sa.Column("column_name", sa.Text()),
        sa.Column("value", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["workcast.imports.import_id"],
            name=op.f("fk_rejected_rows_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("rejected_row_id", name=op.f("pk_rejected_rows")),
        schema="workcast",
    )
    op.create_index(
        op.f("ix_rejected_rows_import_id"), "rejected_rows", ["import_id"], schema="workcast"
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON workcast.audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION workflow.refuse_change()
        """
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="workcast")
