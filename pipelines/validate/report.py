"""What a validation found, in words a person can act on."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a failing expectation leads to; the words are Great Expectations' own.

    `critical` stops the DAG, `warning` sends the rows it names to quarantine and lets the
    others go on, `info` is only reported.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Failure:
    """One expectation that did not hold on one batch."""

    expectation: str
    column: str
    severity: Severity
    unexpected_count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        """Name expectation, column, count and examples on one line."""
        examples = f", for example {', '.join(self.examples)}" if self.examples else ""
        return (
            f"{self.expectation} on {self.column}: "
            f"{self.unexpected_count} unexpected{examples} ({self.severity})"
        )


@dataclass(frozen=True)
class ValidationReport:
    """The outcome of one suite on one batch of `row_count` rows.

    `quarantined` holds the positions (0-based) of the rows that a `warning` refuses.
    """

    suite: str
    row_count: int
    expectation_count: int
    failures: tuple[Failure, ...]
    quarantined: tuple[int, ...] = ()

    @property
    def critical(self) -> tuple[Failure, ...]:
        """Failures that must stop whatever comes next."""
        return tuple(f for f in self.failures if f.severity is Severity.CRITICAL)

    def summary(self) -> str:
        """Say on one line how the batch fared."""
        held = self.expectation_count - len(self.failures)
        return (
            f"{self.suite}: {held} of {self.expectation_count} expectations hold on "
            f"{self.row_count} rows, {len(self.quarantined)} rows quarantined"
        )
