"""What a plan says: who does what when and why, and what cannot be met."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Constraint(StrEnum):
    """What a task can fail on; all but the due date keep it out of the plan."""

    SKILLS = "skills"
    TEAM = "team"
    EXCLUDED = "excluded"
    ESTIMATE = "estimate"
    CALENDAR = "calendar"
    CAPACITY = "capacity"
    PREDECESSORS = "predecessors"
    DUE_DATE = "due_date"


@dataclass(frozen=True)
class Alternative:
    """Another person for a task, at their best moment, and what the move would cost.

    The extras are over the whole plan, all else kept as it is: expected lateness and time to
    the end of all tasks of both people, and hours of work. Below 0 they are a gain.
    """

    person_id: str
    planned_start_at: datetime
    planned_end_at: datetime
    extra_lateness_s: float
    extra_time_s: float
    extra_work_s: float


@dataclass(frozen=True)
class Assignment:
    """One planned task. `slack_s` is from the planned end to the due date, None without one."""

    task_id: str
    person_id: str
    planned_start_at: datetime
    planned_end_at: datetime
    expected_service_s: float
    expected_lateness_s: float
    slack_s: float | None
    reason: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Unmet:
    """One constraint that cannot be met for a task; `is_planned` where the task runs anyway."""

    task_id: str
    constraint: Constraint
    is_planned: bool
    explanation: str


@dataclass(frozen=True)
class Totals:
    """Sums over the planned tasks; `time_s` is from when each could begin to its planned end."""

    planned_count: int
    unplanned_count: int
    late_count: int
    expected_lateness_s: float
    time_s: float
    work_s: float
    cost: float  # in the units of the weights, what the plan has least of


@dataclass(frozen=True)
class Plan:
    """The plan as of a moment: assignments in order of start, then of task id."""

    as_of: datetime
    assignments: tuple[Assignment, ...]
    unmet: tuple[Unmet, ...]
    totals: Totals
