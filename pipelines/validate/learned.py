"""Expectations that were learned from an organisation's own rows and reviewed by a person.

One TOML file a view, in a folder of the organisation's (`WORKCAST_EXPECTATIONS_FOLDER`):
`workcast learn-expectations` writes what it observed, a person judges each entry, changes
tolerance or severity, or deletes it, and then signs: `reviewed = true` at the entry and their name
in `reviewed_by`. What nobody has reviewed is only reported, whatever its severity.
"""

import json
import tomllib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pipelines.errors import ValidationFailedError
from pipelines.validate.report import Severity

_HEAD: Final = """\
# What the feature view {view} looked like in a reference period. Judge each expectation: is what
# was observed what should be? Change it, its tolerance or its severity (critical stops the DAG,
# warning and info are reported), or delete it; then set reviewed = true there and reviewed_by here.
"""
_MEANINGS: Final = """\
# kind         observed                               tolerance
# range        quantiles 0.001 and 0.999              of their distance, on both sides
# median       median, quantiles 0.25 and 0.75        of the quartiles' distance, on both sides
# null_share   share of rows without a value          added to it
# categories   all values                             share of rows that may have others
"""


class Kind(StrEnum):
    """What is expected of a column; see the head of a written file."""

    RANGE = "range"
    MEDIAN = "median"
    NULL_SHARE = "null_share"
    CATEGORIES = "categories"


_OBSERVED_COUNT: Final = {Kind.RANGE: 2, Kind.MEDIAN: 3, Kind.NULL_SHARE: 1}


@dataclass(frozen=True)
class LearnedExpectation:
    """What one column looked like, and how far from it is still as expected."""

    column: str
    kind: Kind
    observed: tuple[Any, ...]
    tolerance: float
    severity: Severity = Severity.CRITICAL
    reviewed: bool = False
    note: str = ""

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value allowed, of a range's values or of the median."""
        middle_low, middle_high = self.observed[0], self.observed[0]
        low, high = self.observed[-2:]
        if self.kind is Kind.RANGE:
            middle_low, middle_high = low, high
        # Where all values are one, its own size says what is near.
        width = self.tolerance * ((high - low) or abs(high) or 1.0)
        return middle_low - width, middle_high + width

    @property
    def mostly(self) -> float:
        """Share of rows that must hold, of null shares and categories."""
        allowed = self.tolerance + (self.observed[0] if self.kind is Kind.NULL_SHARE else 0.0)
        return round(max(0.0, 1.0 - allowed), 9)


@dataclass(frozen=True)
class LearnedView:
    """What was learned about one view; `reviewed_by` is empty until somebody has signed."""

    view: str
    learned_from: datetime
    learned_until: datetime
    row_count: int
    expectations: tuple[LearnedExpectation, ...]
    reviewed_by: str = ""

    def severity(self, expectation: LearnedExpectation) -> Severity:
        """Return what a failure leads to: only to a report until it has been reviewed."""
        is_reviewed = expectation.reviewed and self.reviewed_by
        return expectation.severity if is_reviewed else Severity.INFO


def learned_path(folder: Path, view: str) -> Path:
    """Return where a view's file lies."""
    return folder / f"{view}.toml"


def write_learned(folder: Path, learned: LearnedView) -> Path:
    """Write a view's file, to be reviewed, and return its path."""
    lines = [
        _HEAD.format(view=learned.view),
        f"view = {_toml(learned.view)}",
        f"learned_from = {learned.learned_from.isoformat()}",
        f"learned_until = {learned.learned_until.isoformat()}",
        f"row_count = {learned.row_count}",
        f"reviewed_by = {_toml(learned.reviewed_by)}\n",
        _MEANINGS,
    ]
    for one in learned.expectations:
        lines += [
            "[[expectation]]",
            f"column = {_toml(one.column)}",
            f'kind = "{one.kind}"',
            f"observed = {_toml(list(one.observed))}",
            f"tolerance = {float(one.tolerance)}",
            f'severity = "{one.severity}"',
            f"reviewed = {str(one.reviewed).lower()}",
            f"note = {_toml(one.note)}\n",
        ]
    folder.mkdir(parents=True, exist_ok=True)
    path = learned_path(folder, learned.view)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def read_learned(folder: Path, view: str) -> LearnedView | None:
    """Read a view's file; None where nothing was learned.

    Raises:
        ValidationFailedError: the file is not as it should be; names the place.
    """
    path = learned_path(folder, view)
    if not path.is_file():
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(_expectation(entry) for entry in content.pop("expectation", []))
        learned = LearnedView(**content, expectations=expectations)
    except (ValueError, TypeError) as err:
        raise ValidationFailedError(
            f"{path} cannot be read: {err}. Correct it, or learn it anew."
        ) from err
    if learned.view != view:
        raise ValidationFailedError(f"{path} is about the view {learned.view!r}: rename it.")
    return learned


def _expectation(entry: dict[str, Any]) -> LearnedExpectation:
    try:
        known = LearnedExpectation(
            **{
                **entry,
                "kind": Kind(entry["kind"]),
                "severity": Severity(entry["severity"]),
                "observed": tuple(entry["observed"]),
            }
        )
    except (ValueError, TypeError, KeyError) as err:
        raise ValueError(f"the expectation {entry} is not whole ({err})") from err
    count = _OBSERVED_COUNT.get(known.kind)
    if count is not None and len(known.observed) != count:
        raise ValueError(f"the expectation {entry} needs {count} observed values")
    if not known.tolerance >= 0:
        raise ValueError(f"the expectation {entry} needs a tolerance of 0 or more")
    return known


def _toml(value: str | list[Any]) -> str:
    """Write texts and lists of texts or numbers, which TOML has as JSON has them."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
