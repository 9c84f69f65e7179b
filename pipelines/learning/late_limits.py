"""When a running workflow is late, whatever becomes of it: its due date, or its usual lead time."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import pandas as pd

from pipelines.contracts import FeatureView
from pipelines.features.views import qualified
from pipelines.learning.encode_values import Matrix, numbers_of

SLACK: Final = "slack_s"
ELAPSED: Final = "elapsed_now_s"
TEMPLATE: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "template_id")

# A template with fewer ended workflows has no quantile of its own: all templates' is taken.
_LEAST_OF_TEMPLATE: Final = 20


@dataclass(frozen=True)
class LateLimits:
    """Lead times in seconds beyond which a workflow without a due date is late.

    Where the history's closings say what was late, nothing does so before them, and only a due
    date makes a running workflow late.
    """

    columns: ClassVar = (SLACK, ELAPSED, TEMPLATE)  # of feature rows that `overdue_s` takes

    usual_s: float  # of all templates
    by_template_s: Mapping[str, float]  # of those with many workflows
    is_told_at_closing: bool

    @classmethod
    def learn(
        cls, workflows: pd.DataFrame, late_quantile: float, known_before: pd.Timestamp
    ) -> Self:
        """Take a quantile of the lead times that were recorded before a moment.

        Args:
            workflows: template_id, and of those that have ended lead_time_s, outcome_is_late and
                recorded_at.
            late_quantile: between 0 and 1.
            known_before: the moment.
        """
        known = workflows[workflows["recorded_at"] < known_before]
        lead_times_s = known.groupby("template_id")["lead_time_s"]
        limits = lead_times_s.quantile(late_quantile)[lead_times_s.size() >= _LEAST_OF_TEMPLATE]
        return cls(
            float(known["lead_time_s"].quantile(late_quantile)),
            {str(template): float(limit) for template, limit in limits.items()},
            bool(workflows["outcome_is_late"].notna().any()),
        )

    def usual_of(self, template_ids: Iterable[Any]) -> Matrix:
        """Return the lead time in seconds that makes a workflow of each template late."""
        usual = [self.by_template_s.get(one, self.usual_s) for one in template_ids]
        return np.array(usual, dtype=np.float64)

    def overdue_s(
        self, slack_s: Iterable[Any], elapsed_s: Iterable[Any], template_ids: Iterable[Any]
    ) -> Matrix:
        """Return by how many seconds each running workflow is late already; 0: it is not.

        Args:
            slack_s: until the due date; missing without one.
            elapsed_s: since the opening.
            template_ids: texts, or missing.
        """
        slack, elapsed = numbers_of([list(slack_s), list(elapsed_s)])
        beyond_usual = -np.inf if self.is_told_at_closing else elapsed - self.usual_of(template_ids)
        beyond = np.where(np.isnan(slack), beyond_usual, -slack)
        return np.fmax(beyond, 0.0)

    def to_spec(self) -> dict[str, Any]:
        """Return the limits as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read the limits back from `to_spec`'s data."""
        return cls(**spec)
