"""Feedback on predictions that are not written yet; alerts that are updated and closed.

Revision: 0006
Before it: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "workcast"
CHECKS = {
    "alerts": {
        "score_is_ratio": "score BETWEEN 0 AND 1",
        "closed_after_raised": "closed_at >= raised_at",
    },
    "feedback": {"kind_known": "kind IN ('accepted', 'overridden', 'rejected')"},
}


def upgrade() -> None:
    op.drop_constraint(op.f("fk_feedback_prediction_id"), "feedback", schema=SCHEMA)
    op.add_column("alerts", sa.Column("score", sa.Double()), schema=SCHEMA)
    op.add_column("alerts", sa.Column("as_of", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.add_column(
        "alerts",
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        schema=SCHEMA,
    )
    op.add_column("alerts", sa.Column("closed_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    for table, checks in CHECKS.items():
        for name, condition in checks.items():
            op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, schema=SCHEMA)
    op.create_index(
        op.f("ix_alerts_kind_subject"),
        "alerts",
        ["kind", "subject"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_alerts_kind_subject"), "alerts", schema=SCHEMA)
    for table, checks in CHECKS.items():
        for name in checks:
            op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema=SCHEMA)
    for name in ("closed_at", "updated_at", "as_of", "score"):
        op.drop_column("alerts", name, schema=SCHEMA)
    # What was said about predictions that were never written has no place in the older table.
    op.execute(
        """
        DELETE FROM workcast.feedback f WHERE NOT EXISTS (
            SELECT FROM workcast.predictions p WHERE p.prediction_id = f.prediction_id)
        """
    )
    op.create_foreign_key(
        op.f("fk_feedback_prediction_id"),
        "feedback",
        "predictions",
        ["prediction_id"],
        ["prediction_id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
    )
