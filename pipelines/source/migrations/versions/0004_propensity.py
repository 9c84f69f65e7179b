"""Table `predictions`: with which probability a variant was shown, and whether from the cache.

Revision: 0004
Before it: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("predictions", sa.Column("propensity", sa.Double()), schema="workcast")
    op.add_column(
        "predictions",
        sa.Column("is_cached", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="workcast",
    )
    op.create_check_constraint(
        op.f("ck_predictions_propensity_is_probability"),
        "predictions",
        "propensity BETWEEN 0 AND 1",
        schema="workcast",
    )


def downgrade() -> None:
    op.drop_constraint(
        op.f("ck_predictions_propensity_is_probability"), "predictions", schema="workcast"
    )
    op.drop_column("predictions", "is_cached", schema="workcast")
    op.drop_column("predictions", "propensity", schema="workcast")
