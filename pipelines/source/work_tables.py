"""Schema `workflow`, second part: the work itself. `task_events` is the truth."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from pipelines.contracts import WORKFLOW_SCHEMA, Transition
from pipelines.source.metadata import (
    METADATA,
    document,
    key,
    moment,
    reference,
    required_reference,
)

_TRANSITIONS: Final = ", ".join(f"'{transition}'" for transition in Transition)

workflows: Final = Table(
    "workflows",
    METADATA,
    key("workflow_id"),
    reference("template_id", "workflow.templates.template_id"),
    reference("client_id", "workflow.clients.client_id"),
    Column("priority", Text),
    moment("opened_at", nullable=False),
    moment("due_at"),
    moment("closed_at"),
    Column("outcome", Text),
    Column("outcome_is_late", Boolean),
    document("attributes"),  # known at opening
    moment("recorded_at", nullable=False, default_now=True),  # when the opening was known
    moment("closure_recorded_at"),  # when the closing was known
    CheckConstraint("closed_at >= opened_at", name="closed_after_opened"),
    CheckConstraint(
        "(closed_at IS NULL) = (closure_recorded_at IS NULL)", name="closure_is_recorded"
    ),
    Index(None, "recorded_at"),
    Index(None, "closure_recorded_at"),
    schema=WORKFLOW_SCHEMA,
)

tasks: Final = Table(
    "tasks",
    METADATA,
    key("task_id"),
    required_reference("workflow_id", "workflow.workflows.workflow_id"),
    Column("activity", Text, nullable=False),
    reference("person_id", "workflow.people.person_id"),
    reference("team_id", "workflow.teams.team_id"),
    moment("created_at"),
    moment("started_at"),
    moment("completed_at"),
    moment("cancelled_at"),
    moment("due_at"),
    CheckConstraint("completed_at >= started_at", name="completed_after_started"),
    # Lets an event name task and workflow together, so that it cannot mix two workflows.
    UniqueConstraint("workflow_id", "task_id"),
    schema=WORKFLOW_SCHEMA,
)

task_dependencies: Final = Table(
    "task_dependencies",
    METADATA,
    reference("task_id", "workflow.tasks.task_id", primary_key=True),
    reference("predecessor_id", "workflow.tasks.task_id", primary_key=True),
    CheckConstraint("task_id <> predecessor_id", name="not_before_itself"),
    schema=WORKFLOW_SCHEMA,
)

# Where the log has no order of its own, the order of writing.
EVENT_SEQUENCE: Final = Sequence("task_event_sequence", metadata=METADATA, schema=WORKFLOW_SCHEMA)

# Append-only: a trigger (first migration) refuses UPDATE, DELETE and TRUNCATE.
task_events: Final = Table(
    "task_events",
    METADATA,
    Column("event_id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("workflow_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False, server_default=EVENT_SEQUENCE.next_value()),
    Column("activity", Text, nullable=False),
    Column("transition", Text, nullable=False),
    reference("person_id", "workflow.people.person_id"),
    reference("team_id", "workflow.teams.team_id"),
    moment("occurred_at", nullable=False),
    moment("recorded_at", nullable=False, default_now=True),
    document("attributes"),
    ForeignKeyConstraint(
        ["workflow_id", "task_id"], ["workflow.tasks.workflow_id", "workflow.tasks.task_id"]
    ),
    CheckConstraint(f"transition IN ({_TRANSITIONS})", name="transition_known"),
    CheckConstraint("recorded_at >= occurred_at", name="recorded_after_occurred"),
    Index(None, "recorded_at"),
    Index(None, "workflow_id", "occurred_at"),
    schema=WORKFLOW_SCHEMA,
)
