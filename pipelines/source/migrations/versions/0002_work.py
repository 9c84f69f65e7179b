"""Schema `workflow`: workflows, tasks and their events.

Revision: 0002
Before it: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "workflows",
    "tasks",
    "task_dependencies",
    "task_events",
)


def upgrade() -> None:
    op.execute("CREATE SEQUENCE workflow.task_event_sequence")
    op.create_table(
        "workflows",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text()),
        sa.Column("client_id", sa.Text()),
        sa.Column("priority", sa.Text()),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.Text()),
        sa.Column("outcome_is_late", sa.Boolean()),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("closure_recorded_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closure_recorded_at IS NULL)",
            name=op.f("ck_workflows_closure_is_recorded"),
        ),
        sa.CheckConstraint("closed_at >= opened_at", name=op.f("ck_workflows_closed_after_opened")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["workflow.clients.client_id"], name=op.f("fk_workflows_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["workflow.templates.template_id"],
            name=op.f("fk_workflows_template_id"),
        ),
        sa.PrimaryKeyConstraint("workflow_id", name=op.f("pk_workflows")),
        schema="workflow",
    )
    op.create_index(
        op.f("ix_workflows_closure_recorded_at"),
        "workflows",
        ["closure_recorded_at"],
        schema="workflow",
    )
    op.create_index(
        op.f("ix_workflows_recorded_at"), "workflows", ["recorded_at"], schema="workflow"
    )
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text()),
        sa.Column("team_id", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True)),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("cancelled_at", sa.DateTime(timezone=True)),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "completed_at >= started_at", name=op.f("ck_tasks_completed_after_started")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["workflow.people.person_id"], name=op.f("fk_tasks_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["workflow.teams.team_id"], name=op.f("fk_tasks_team_id")
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflow.workflows.workflow_id"], name=op.f("fk_tasks_workflow_id")
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("workflow_id", "task_id", name=op.f("uq_tasks_workflow_id_task_id")),
        schema="workflow",
    )
    op.create_table(
        "task_dependencies",
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("predecessor_id", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "task_id <> predecessor_id", name=op.f("ck_task_dependencies_not_before_itself")
        ),
        sa.ForeignKeyConstraint(
            ["predecessor_id"],
            ["workflow.tasks.task_id"],
            name=op.f("fk_task_dependencies_predecessor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["workflow.tasks.task_id"], name=op.f("fk_task_dependencies_task_id")
        ),
        sa.PrimaryKeyConstraint("task_id", "predecessor_id", name=op.f("pk_task_dependencies")),
        schema="workflow",
    )
    op.create_table(
        "task_events",
        sa.Column(
            "event_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False
        ),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column(
            "sequence",
            sa.BigInteger(),
            server_default=sa.text("nextval('workflow.task_event_sequence')"),
            nullable=False,
        ),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("transition", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text()),
        sa.Column("team_id", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint(
            "transition IN ('created', 'assigned', 'started', 'suspended', 'resumed', "
            "'completed', 'cancelled')",
            name=op.f("ck_task_events_transition_known"),
        ),
        sa.CheckConstraint(
            "recorded_at >= occurred_at", name=op.f("ck_task_events_recorded_after_occurred")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["workflow.people.person_id"], name=op.f("fk_task_events_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["workflow.teams.team_id"], name=op.f("fk_task_events_team_id")
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id", "task_id"],
            ["workflow.tasks.workflow_id", "workflow.tasks.task_id"],
            name=op.f("fk_task_events_workflow_id_task_id"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_task_events")),
        schema="workflow",
    )
    op.create_index(
        op.f("ix_task_events_recorded_at"), "task_events", ["recorded_at"], schema="workflow"
    )
    op.create_index(
        op.f("ix_task_events_workflow_id_occurred_at"),
        "task_events",
        ["workflow_id", "occurred_at"],
        schema="workflow",
    )
    op.execute(
        """
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON workflow.task_events
        FOR EACH STATEMENT EXECUTE FUNCTION workflow.refuse_change()
        """
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="workflow")
    op.execute("DROP SEQUENCE workflow.task_event_sequence")
