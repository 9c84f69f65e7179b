"""A change at a date that is known, so that drift has a known cause."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pipelines.history.company.templates import with_compliance_check

if TYPE_CHECKING:
    from pipelines.history.company.simulation import Simulation

_PEOPLE_PER_LEAVER: Final = 60
_CHANGED_TEMPLATE: Final = "new-contract"


class ChangeKind(StrEnum):
    """What can change."""

    PERSON_LEAVES = "person_leaves"
    TEMPLATE_CHANGES = "template_changes"
    DEMAND_DOUBLES = "demand_doubles"


@dataclass(frozen=True)
class Change:
    """One change; before `at` the history is the same, to the byte, as without it."""

    kind: ChangeKind
    at: datetime


def apply_change(simulation: "Simulation", kind: ChangeKind) -> None:
    """Change the running company now.

    - person_leaves: who completed most tasks so far leaves for good (one of each 60 people);
      their open tasks are handed over.
    - template_changes: new contracts opened from now on need a full compliance check.
    - demand_doubles: nothing to do here; `Demand` knows from when on requests double.
    """
    if kind is ChangeKind.PERSON_LEAVES:
        people = simulation.company.people
        count = max(1, round(len(people) / _PEOPLE_PER_LEAVER))
        busiest = sorted(people, key=lambda one: (-one.completed_count, one.index))
        for person in busiest[:count]:
            simulation.labour.dismiss(person)
    elif kind is ChangeKind.TEMPLATE_CHANGES:
        simulation.templates = tuple(
            with_compliance_check(template)
            if template.template_id == _CHANGED_TEMPLATE
            else template
            for template in simulation.templates
        )
