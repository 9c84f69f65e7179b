"""Table `predictions`: the probability of the variant shown, and the answer given again.

Revision: 0005
Before it: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("predictions", sa.Column("propensity", sa.Double()), schema="workcast")
    op.add_column("predictions", sa.Column("cached_from", sa.UUID()), schema="workcast")
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
    op.drop_column("predictions", "cached_from", schema="workcast")
    op.drop_column("predictions", "propensity", schema="workcast")
