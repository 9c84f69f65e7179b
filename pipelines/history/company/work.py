"""Workflows and tasks while they are open."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

from simpy import Event, Process

from pipelines.history.company.clients import Client
from pipelines.history.company.people import Person, Team
from pipelines.history.company.shifts import DAY_S, NEVER
from pipelines.history.company.templates import Template

PRIORITIES: Final = ("urgent", "high", "normal", "low")
# How much later than a normal task one of that priority may come and still go first.
HEAD_STARTS_S: Final = (6 * DAY_S, 2 * DAY_S, 0, -2 * DAY_S)
FIRST_TURN: Final = -NEVER  # what was begun goes before everything else

Steps = Generator[Event, Any, None]


@dataclass(eq=False, slots=True)
class Workflow:
    """One open workflow; `waiting` counts the steps each step still waits for."""

    index: int
    template: Template
    client: Client
    rank: int  # of its priority: 0 is urgent
    complexity: float  # 1 to 5, seen by nobody: tasks carry estimates of it
    opened_at: int
    due_at: int
    recorded_at: int
    is_rejected: bool
    question_ratio: float  # chance that a task has to wait for an answer of the client
    waiting: list[int]
    remaining: int
    doers: dict[int, tuple[Person, float]] = field(default_factory=dict)  # step -> who, pressure
    people: set[Person] = field(default_factory=set)  # who did something for it
    open_tasks: "list[Task]" = field(default_factory=list)
    return_count: int = 0
    is_closed: bool = False


@dataclass(eq=False, slots=True)
class Task:
    """One open task; `process` is the work on it while somebody has it at hand."""

    index: int
    workflow: Workflow
    step: int
    skill: str
    team: Team
    turn: int  # place in queues and inbox: the lowest goes first
    complexity: int  # the estimate, known at creation
    work_s: float = 0.0  # still to do at the average person's pace; 0 until it is begun
    pause: tuple[str, float] | None = None  # why it will stop, and after which part of the work
    person: Person | None = None
    process: Process | None = None
    begun_at: int | None = None  # when the piece of work now at hand began
    is_started: bool = False
    is_queued: bool = False
    is_over: bool = False
    returned_by: int | None = None  # the review step that sent the work back
