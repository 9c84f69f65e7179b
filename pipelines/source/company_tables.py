"""Schema `workflow`, first part: who there is, what they can do, and the templates."""

from typing import Final

from sqlalchemy import CheckConstraint, Column, Double, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from pipelines.contracts import WORKFLOW_SCHEMA
from pipelines.source.metadata import METADATA, document, key, moment, reference

clients: Final = Table(
    "clients",
    METADATA,
    key("client_id"),
    Column("name", Text),
    document("attributes"),
    schema=WORKFLOW_SCHEMA,
)

teams: Final = Table(
    "teams",
    METADATA,
    key("team_id"),
    Column("name", Text),
    document("attributes"),
    schema=WORKFLOW_SCHEMA,
)

people: Final = Table(
    "people",
    METADATA,
    key("person_id"),
    Column("name", Text),
    reference("team_id", "workflow.teams.team_id"),
    Column("time_zone", Text),  # IANA name; not set: UTC
    # Local hours by ISO weekday, {"1": [["09:00", "17:00"]], …}; empty: not known.
    document("working_hours"),
    Column("capacity", Integer),  # tasks at the same time
    Column("speed_ratio", Double),  # above 1: faster than the template expects
    moment("hired_at"),
    moment("left_at"),
    document("attributes"),
    CheckConstraint("capacity > 0", name="capacity_positive"),
    CheckConstraint("speed_ratio > 0", name="speed_ratio_positive"),
    CheckConstraint("left_at >= hired_at", name="left_after_hired"),
    schema=WORKFLOW_SCHEMA,
)

leaves: Final = Table(
    "leaves",
    METADATA,
    reference("person_id", "workflow.people.person_id", primary_key=True),
    moment("starts_at", primary_key=True),
    moment("ends_at", nullable=False),
    Column("reason", Text),
    CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    schema=WORKFLOW_SCHEMA,
)

memberships: Final = Table(
    "memberships",
    METADATA,
    reference("person_id", "workflow.people.person_id", primary_key=True),
    reference("team_id", "workflow.teams.team_id", primary_key=True),
    moment("starts_at", primary_key=True),
    moment("ends_at"),
    CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    schema=WORKFLOW_SCHEMA,
)

skills: Final = Table(
    "skills",
    METADATA,
    key("skill_id"),
    Column("name", Text),
    schema=WORKFLOW_SCHEMA,
)

person_skills: Final = Table(
    "person_skills",
    METADATA,
    reference("person_id", "workflow.people.person_id", primary_key=True),
    reference("skill_id", "workflow.skills.skill_id", primary_key=True),
    Column("level_ratio", Double),  # 0 beginner … 1 expert
    CheckConstraint("level_ratio BETWEEN 0 AND 1", name="level_in_range"),
    schema=WORKFLOW_SCHEMA,
)

templates: Final = Table(
    "templates",
    METADATA,
    key("template_id"),
    Column("name", Text),
    document("attributes"),
    schema=WORKFLOW_SCHEMA,
)

template_tasks: Final = Table(
    "template_tasks",
    METADATA,
    reference("template_id", "workflow.templates.template_id", primary_key=True),
    key("activity"),
    Column("position", Integer),
    # Activities of the same template that come first.
    Column("predecessors", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    reference("skill_id", "workflow.skills.skill_id"),
    reference("team_id", "workflow.teams.team_id"),
    Column("expected_service_time_s", Double),
    document("attributes"),
    CheckConstraint("expected_service_time_s > 0", name="expected_service_time_positive"),
    CheckConstraint("NOT (activity = ANY (predecessors))", name="not_before_itself"),
    schema=WORKFLOW_SCHEMA,
)
