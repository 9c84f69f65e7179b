"""Audit entries that are written once, and cannot be changed by a replica's settings either.

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
    # Of a request; null for what the platform itself has done.
    op.add_column("audit_log", sa.Column("request_id", sa.UUID()), schema="workcast")
    op.create_unique_constraint(
        op.f("uq_audit_log_request_id"), "audit_log", ["request_id"], schema="workcast"
    )
    op.create_index(
        op.f("ix_audit_log_actor_happened_at"),
        "audit_log",
        ["actor", "happened_at"],
        schema="workcast",
    )
    # An ordinary trigger sleeps in a session that calls itself a replica.
    op.execute("ALTER TABLE workcast.audit_log ENABLE ALWAYS TRIGGER append_only")


def downgrade() -> None:
    op.execute("ALTER TABLE workcast.audit_log ENABLE TRIGGER append_only")
    op.drop_index(op.f("ix_audit_log_actor_happened_at"), "audit_log", schema="workcast")
    op.drop_constraint(op.f("uq_audit_log_request_id"), "audit_log", schema="workcast")
    op.drop_column("audit_log", "request_id", schema="workcast")
