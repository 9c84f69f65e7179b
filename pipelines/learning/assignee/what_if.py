"""What if features of some people were others: values in the place of what is known of them."""

from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Final

import numpy as np

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import NONE, Mask
from pipelines.learning.assignee.handovers import Vectors

Changes = Mapping[str, float | None]  # by feature; None: not known
Overrides = Mapping[str, Changes]  # by person

# Of these an answer tells the value itself.
_HELD: Final = frozenset({"held_task_count", "held_workflow_count"})
# Least and most, by what the end of a name says of its unit.
_RANGES: Final = {"_count": (0.0, inf), "_s": (0.0, inf), "_ratio": (0.0, 1.0)}


def fault_of(name: str, value: float | None) -> str | None:
    """Say what a feature's value should be instead, or None where it can be."""
    if name in _HELD:
        # What is held is always known, and nobody holds half a task.
        is_count = value is not None and value >= 0 and isfinite(value) and value == int(value)
        return None if is_count else "should be a whole number, 0 or more"
    if value is None:
        return None
    if not isfinite(value):
        return "should be a finite number or null"
    least, most = next((of for end, of in _RANGES.items() if name.endswith(end)), (-inf, inf))
    if least <= value <= most:
        return None
    return f"should be {f'from 0 to {most:.0f}' if isfinite(most) else '0 or more'}, or null"


def by_code(overrides: Overrides, code: Mapping[str, int], may: Mask) -> dict[int, Changes]:
    """Return the changes by the codes of the people.

    Raises:
        TrainingError: one of them may not be proposed.
    """
    for name in overrides:
        if code[name] == NONE or not may[code[name]]:
            raise TrainingError(f"Nothing can be overridden of {name!r}, who is no candidate.")
    return {code[name]: changes for name, changes in overrides.items()}


def overridden(vectors: Vectors, changes: Mapping[int, Changes], names: Collection[str]) -> Vectors:
    """Return vectors with other values of some people; those given stay as they are.

    Args:
        vectors: `Ledger.features` of a question.
        changes: by the people's codes.
        names: features that may be others: those that the ranker reads.

    Raises:
        TrainingError: there is no such feature, or the feature has no such value.
    """
    changed: Vectors = {}
    for person, values in changes.items():
        for name, value in values.items():
            if name not in names or name not in vectors:
                raise TrainingError(f"The ranker reads no feature {name!r}; see its `names`.")
            fault = fault_of(name, value)
            if fault is not None:
                raise TrainingError(f"{name} of {value}: {fault}.")
            if name not in changed:
                changed[name] = vectors[name].copy()
            changed[name][person] = np.nan if value is None else value
    return {**vectors, **changed}
