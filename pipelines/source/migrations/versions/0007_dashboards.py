"""Reports of drift as rows; schema `dashboards`, which is all that Grafana reads.

Its views name no workflow, no client and no person. Who may read them is granted when the roles
are made (`pipelines.platform.owners`), not here.

Revision: 0007
Before it: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PLATFORM = "workcast"
VIEWS = {
    # Late as the due date says; without one, as the outcome does; else not known here.
    "workflows": """
        SELECT coalesce(template_id, '(none)') AS template_id, opened_at, due_at, closed_at,
            extract(epoch FROM closed_at - opened_at)::float8 / 3600 AS lead_time_hours,
            CASE WHEN closed_at IS NULL THEN NULL
                 WHEN due_at IS NOT NULL THEN closed_at > due_at
                 ELSE outcome_is_late END AS is_late
        FROM workflow.workflows
    """,
    "tasks": """
        SELECT activity, coalesce(team_id, '(none)') AS team_id, created_at, started_at,
            completed_at, completed_at IS NULL AND cancelled_at IS NULL AS is_open,
            extract(epoch FROM started_at - created_at)::float8 / 3600 AS waiting_hours,
            extract(epoch FROM completed_at - started_at)::float8 / 3600 AS service_hours
        FROM workflow.tasks
    """,
    # What was answered about workflows, shadows among it, beside what happened.
    "answers": """
        SELECT p.model_name, p.model_version, coalesce(p.variant, '(none)') AS variant,
            p.requested_at, p.as_of, w.closed_at, p.latency_ms, p.is_degraded,
            p.cached_from IS NOT NULL AS is_cached,
            (p.output ->> 'remaining_time_s')::float8 / 3600 AS predicted_hours,
            extract(epoch FROM w.closed_at - p.as_of)::float8 / 3600 AS actual_hours,
            (p.output ->> 'late_probability')::float8 AS late_probability,
            w.is_late
        FROM workcast.predictions p
        LEFT JOIN (
            SELECT workflow_id, closed_at,
                CASE WHEN closed_at IS NULL THEN NULL
                     WHEN due_at IS NOT NULL THEN closed_at > due_at
                     ELSE outcome_is_late END AS is_late
            FROM workflow.workflows
        ) w USING (workflow_id)
        WHERE p.variant IS DISTINCT FROM 'what_if' AND p.task_id IS NULL
    """,
    "feedback": """
        SELECT f.kind, f.given_at, p.model_name
        FROM workcast.feedback f LEFT JOIN workcast.predictions p USING (prediction_id)
    """,
    "alerts": """
        SELECT kind, severity, score, raised_at, closed_at, acknowledged_at FROM workcast.alerts
    """,
    "drift_reports": """
        SELECT model_name, model_version, current_until, reported_at, drifted_ratio,
            drifted_columns, mae_reference, mae_current
        FROM workcast.drift_reports
    """,
}


def upgrade() -> None:
    op.create_table(
        "drift_reports",
        sa.Column("drift_report_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("current_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("drifted_ratio", sa.Double(), nullable=False),
        sa.Column("drifted_columns", postgresql.JSONB(), nullable=False),
        sa.Column("compared_column_count", sa.BigInteger(), nullable=False),
        sa.Column("mae_reference", sa.Double()),
        sa.Column("mae_current", sa.Double()),
        sa.CheckConstraint(
            "drifted_ratio BETWEEN 0 AND 1", name=op.f("ck_drift_reports_drifted_ratio_is_ratio")
        ),
        sa.PrimaryKeyConstraint("drift_report_id", name=op.f("pk_drift_reports")),
        schema=PLATFORM,
    )
    op.create_index(
        op.f("ix_drift_reports_model_name_reported_at"),
        "drift_reports",
        ["model_name", "reported_at"],
        schema=PLATFORM,
    )
    op.execute("CREATE SCHEMA dashboards")
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW dashboards.{name} AS {query}")


def downgrade() -> None:
    op.execute("DROP SCHEMA dashboards CASCADE")
    op.drop_table("drift_reports", schema=PLATFORM)
