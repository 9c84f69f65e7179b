"""Rows of the source database as typed, frozen records; fields are named as the columns."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table

from pipelines.contracts import Transition
from pipelines.source import tables

Attributes = dict[str, Any]


@dataclass(frozen=True)
class Client:
    """Somebody work is done for."""

    client_id: str
    name: str | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Team:
    """A group of people."""

    team_id: str
    name: str | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Somebody who does tasks; `working_hours` by ISO weekday, in local time."""

    person_id: str
    name: str | None = None
    team_id: str | None = None
    time_zone: str | None = None
    working_hours: Attributes = field(default_factory=dict)
    capacity: int | None = None
    speed_ratio: float | None = None
    hired_at: datetime | None = None
    left_at: datetime | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Leave:
    """A period in which a person is away."""

    person_id: str
    starts_at: datetime
    ends_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Skill:
    """Something people can do."""

    skill_id: str
    name: str | None = None


@dataclass(frozen=True)
class PersonSkill:
    """How well a person can do something, from 0 (beginner) to 1 (expert)."""

    person_id: str
    skill_id: str
    level_ratio: float | None = None


@dataclass(frozen=True)
class Template:
    """What kind of workflow it is."""

    template_id: str
    name: str | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class TemplateTask:
    """A task that workflows of a template should have, after its predecessors."""

    template_id: str
    activity: str
    position: int | None = None
    predecessors: list[str] = field(default_factory=list)
    skill_id: str | None = None
    team_id: str | None = None
    expected_service_time_s: float | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Workflow:
    """One instance of business work; `recorded_at` is set by the database unless given."""

    workflow_id: str
    opened_at: datetime
    template_id: str | None = None
    client_id: str | None = None
    priority: str | None = None
    due_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None
    outcome_is_late: bool | None = None
    attributes: Attributes = field(default_factory=dict)
    recorded_at: datetime | None = None
    closure_recorded_at: datetime | None = None


@dataclass(frozen=True)
class Task:
    """One piece of work inside a workflow."""

    task_id: str
    workflow_id: str
    activity: str
    person_id: str | None = None
    team_id: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class TaskEvent:
    """One transition of a task; id, order and `recorded_at` are set by the database."""

    workflow_id: str
    task_id: str
    activity: str
    transition: Transition
    occurred_at: datetime
    person_id: str | None = None
    team_id: str | None = None
    attributes: Attributes = field(default_factory=dict)
    event_id: UUID | None = None
    sequence: int | None = None
    recorded_at: datetime | None = None


Record = (
    Client | Team | Person | Leave | Skill | PersonSkill | Template | TemplateTask | Workflow | Task
)

TABLE_OF: Final[dict[type, Table]] = {
    Client: tables.clients,
    Team: tables.teams,
    Person: tables.people,
    Leave: tables.leaves,
    Skill: tables.skills,
    PersonSkill: tables.person_skills,
    Template: tables.templates,
    TemplateTask: tables.template_tasks,
    Workflow: tables.workflows,
    Task: tables.tasks,
    TaskEvent: tables.task_events,
}
