"""Features of people that are asked about as others than they are, by name and value."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from pipelines.contracts import Model
from pipelines.learning.assignee.what_if import Overrides, fault_of
from serving.overrides import near, no_such_feature, refuse

# To look for what was meant takes a while: a question may be wrong about thousands of values, and
# candidates may be tens of thousands.
_MOST_FAULTS: Final = 10
_MOST_NEIGHBOURS: Final = 50  # in the alphabet, on either side


def require_sound(overrides: Overrides, candidates: Sequence[str], names: Sequence[str]) -> None:
    """See that the ranking model can take other values of some people.

    Args:
        overrides: features by person.
        candidates: who may be proposed.
        names: features that the version reads.

    Raises:
        InvalidRequestError: somebody is no candidate, or the version has no such feature, or the
            feature no such value; names the first of them as `overrides.<person>.<feature>`.
    """
    found = islice(_faults(overrides, candidates, names), _MOST_FAULTS)
    refuse([{"field": f"overrides.{field}", "message": message} for field, message in found])


def _faults(
    overrides: Overrides, candidates: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    may, in_order = frozenset(candidates), sorted(candidates)
    for person, changes in overrides.items():
        if person not in may:
            yield person, f"is none of the {len(may)} candidates{_such_as(person, in_order)}"
            continue
        for name, value in changes.items():
            if name not in names:
                yield f"{person}.{name}", no_such_feature(name, names, Model.ASSIGNEE)
            elif (fault := fault_of(name, value)) is not None:
                yield f"{person}.{name}", fault


def _such_as(person: str, in_order: Sequence[str]) -> str:
    place = bisect(in_order, person)
    neighbours = in_order[max(place - _MOST_NEIGHBOURS, 0) : place + _MOST_NEIGHBOURS]
    return f", such as {near(person, neighbours)}" if neighbours else ""
