"""Which answers were about workflows that were late already, and so were no predictions.

Revision: 0008
Before it: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ANSWERS = """
    CREATE OR REPLACE VIEW dashboards.answers AS
    SELECT p.model_name, p.model_version, coalesce(p.variant, '(none)') AS variant,
        p.requested_at, p.as_of, w.closed_at, p.latency_ms, p.is_degraded,
        p.cached_from IS NOT NULL AS is_cached,
        (p.output ->> 'remaining_time_s')::float8 / 3600 AS predicted_hours,
        extract(epoch FROM w.closed_at - p.as_of)::float8 / 3600 AS actual_hours,
        (p.output ->> 'late_probability')::float8 AS late_probability,
        w.is_late{overdue}
    FROM workcast.predictions p
    LEFT JOIN (
        SELECT workflow_id, closed_at,
            CASE WHEN closed_at IS NULL THEN NULL
                 WHEN due_at IS NOT NULL THEN closed_at > due_at
                 ELSE outcome_is_late END AS is_late
        FROM workflow.workflows
    ) w USING (workflow_id)
    WHERE p.variant IS DISTINCT FROM 'what_if' AND p.task_id IS NULL
"""
OVERDUE = """,
        coalesce((p.output ->> 'overdue_s')::float8 > 0, FALSE) AS is_overdue"""


def upgrade() -> None:
    op.execute(ANSWERS.format(overdue=OVERDUE))


def downgrade() -> None:
    # A view gains columns where it stands, and loses none.
    op.execute("DROP VIEW dashboards.answers")
    op.execute(ANSWERS.format(overdue=""))
