"""Schema `workflow`: clients, people, what they can do, and the templates.

Revision: 0001
Before it: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "clients",
    "skills",
    "teams",
    "templates",
    "people",
    "template_tasks",
    "leaves",
    "memberships",
    "person_skills",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS workflow")
    op.execute(
        """
        CREATE FUNCTION workflow.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '%.% is append-only: % is refused, append a correcting row instead',
                TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
        schema="workflow",
    )
    op.create_table(
        "skills",
        sa.Column("skill_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.PrimaryKeyConstraint("skill_id", name=op.f("pk_skills")),
        schema="workflow",
    )
    op.create_table(
        "teams",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_teams")),
        schema="workflow",
    )
    op.create_table(
        "templates",
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_templates")),
        schema="workflow",
    )
    op.create_table(
        "people",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("team_id", sa.Text()),
        sa.Column("time_zone", sa.Text()),
        sa.Column(
            "working_hours",
            postgresql.JSONB(),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("capacity", sa.Integer()),
        sa.Column("speed_ratio", sa.Double()),
        sa.Column("hired_at", sa.DateTime(timezone=True)),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint("capacity > 0", name=op.f("ck_people_capacity_positive")),
        sa.CheckConstraint("left_at >= hired_at", name=op.f("ck_people_left_after_hired")),
        sa.CheckConstraint("speed_ratio > 0", name=op.f("ck_people_speed_ratio_positive")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["workflow.teams.team_id"], name=op.f("fk_people_team_id")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_people")),
        schema="workflow",
    )
    op.create_table(
        "template_tasks",
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("activity", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer()),
        sa.Column(
            "predecessors",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
        ),
        sa.Column("skill_id", sa.Text()),
        sa.Column("team_id", sa.Text()),
        sa.Column("expected_service_time_s", sa.Double()),
        sa.Column(
            "attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.CheckConstraint(
            "NOT (activity = ANY (predecessors))", name=op.f("ck_template_tasks_not_before_itself")
        ),
        sa.CheckConstraint(
            "expected_service_time_s > 0",
            name=op.f("ck_template_tasks_expected_service_time_positive"),
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["workflow.skills.skill_id"], name=op.f("fk_template_tasks_skill_id")
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["workflow.teams.team_id"], name=op.f("fk_template_tasks_team_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"],
            ["workflow.templates.template_id"],
            name=op.f("fk_template_tasks_template_id"),
        ),
        sa.PrimaryKeyConstraint("template_id", "activity", name=op.f("pk_template_tasks")),
        schema="workflow",
    )
    op.create_table(
        "leaves",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_leaves_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["workflow.people.person_id"], name=op.f("fk_leaves_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "starts_at", name=op.f("pk_leaves")),
        schema="workflow",
    )
    op.create_table(
        "memberships",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_memberships_ends_after_start")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["workflow.people.person_id"], name=op.f("fk_memberships_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["workflow.teams.team_id"], name=op.f("fk_memberships_team_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "team_id", "starts_at", name=op.f("pk_memberships")),
        schema="workflow",
    )
    op.create_table(
        "person_skills",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("skill_id", sa.Text(), nullable=False),
        sa.Column("level_ratio", sa.Double()),
        sa.CheckConstraint(
            "level_ratio BETWEEN 0 AND 1", name=op.f("ck_person_skills_level_in_range")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["workflow.people.person_id"], name=op.f("fk_person_skills_person_id")
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["workflow.skills.skill_id"], name=op.f("fk_person_skills_skill_id")
        ),
        sa.PrimaryKeyConstraint("person_id", "skill_id", name=op.f("pk_person_skills")),
        schema="workflow",
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="workflow")
    op.execute("DROP FUNCTION workflow.refuse_change()")
    op.execute("DROP SCHEMA workflow")
