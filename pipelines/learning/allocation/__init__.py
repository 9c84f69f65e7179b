"""Allocation: who does which open task when, with reasons, and what cannot be met."""

from pipelines.learning.allocation.allocate import plan_allocation
from pipelines.learning.allocation.plan import (
    Alternative,
    Assignment,
    Constraint,
    Plan,
    Totals,
    Unmet,
)
from pipelines.learning.allocation.problem import (
    AvailablePerson,
    Estimates,
    OpenTask,
    Period,
    Weights,
)

__all__ = [
    "Alternative",
    "Assignment",
    "AvailablePerson",
    "Constraint",
    "Estimates",
    "OpenTask",
    "Period",
    "Plan",
    "Totals",
    "Unmet",
    "Weights",
    "plan_allocation",
]
