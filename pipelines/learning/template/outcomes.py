"""How long workflows of a template took and how many were in time, in the training rows."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.template.openings import CLIENT, PRIORITY

Values = npt.NDArray[np.float64]

ANSWERS: Final = (
    "workflow_count",
    "lead_time_s",
    "lead_time_s_p10",
    "lead_time_s_p90",
    "success_ratio",
)

_LEAST_OF_GROUP: Final = 20
_PRIOR_COUNT: Final = 20  # workflows of all that a group's success ratio is drawn towards
_KEYS: Final = ("template_id", "level", "value")
_TEMPLATE: Final = "template"
_LEVELS: Final = (CLIENT, PRIORITY)
_COVERAGE: Final = 0.8
_NARROWEST: Final = 1e-3  # half an interval, on the log scale
_WIDENING_BOUNDS: Final = (1.0, 3.0)  # never narrower: one factor serves all templates
_FILE: Final = "outcomes.parquet"


@dataclass(frozen=True)
class Outcomes:
    """Lead times and success by template, and by template and priority or client.

    `table` has template_id, level, value and the `ANSWERS`; a template is there with any number
    of workflows, a group within it from twenty. The interval is from the 10 % to the 90 %
    quantile, unless it was `widened`. A success ratio is drawn towards the template's,
    and that one towards the ratio of all.
    """

    table: pd.DataFrame = field(repr=False)

    @classmethod
    def fit(cls, rows: pd.DataFrame) -> Self:
        """Count and take quantiles.

        Args:
            rows: ended workflows with template_id, client_id, priority, lead_time_s and is_late.
        """
        rows = rows.assign(is_in_time=1 - rows["is_late"].astype(float))
        overall = pd.Series(rows["is_in_time"].mean(), index=rows["template_id"].unique())
        by_template = _summary(rows, ["template_id"], overall).assign(level=_TEMPLATE, value="")
        parents = by_template.set_index("template_id")["success_ratio"]
        parts = [by_template]
        for level in _LEVELS:
            groups = _summary(rows, ["template_id", level], parents)
            groups = groups[groups["workflow_count"] >= _LEAST_OF_GROUP]
            parts.append(groups.rename(columns={level: "value"}).assign(level=level))
        columns = [*_KEYS, *ANSWERS]
        return cls(pd.concat([part[columns] for part in parts], ignore_index=True))

    def expected(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return the `ANSWERS` for pairs of a workflow and a template, in the same order.

        Args:
            pairs: template_id, client_id and priority of the workflow.

        Returns:
            workflow_count is that of the group that answers: 0 for a template without a
            training workflow, whose other answers are missing.
        """
        places = zip(*(pairs[name] for name in ("template_id", *_LEVELS)), strict=True)
        answers = [self.expected_of(str(template), *groups) for template, *groups in places]
        result = pd.DataFrame(answers, index=pairs.index, columns=list(ANSWERS), dtype=float)
        return result.assign(workflow_count=result["workflow_count"].astype(int))

    def expected_of(self, template_id: str, client_id: object, priority: object) -> dict[str, Any]:
        """Return the `ANSWERS` for one pair, each from the first group that has it."""
        # Measured, priorities tell more than clients do.
        groups = ((PRIORITY, priority), (CLIENT, client_id), (_TEMPLATE, ""))
        keys = [(template_id, *group) for group in groups]
        known = [self._answers[key] for key in keys if key in self._answers]
        answers = {
            name: next((one[place] for one in known if not math.isnan(one[place])), math.nan)
            for place, name in enumerate(ANSWERS)
        }
        count = answers["workflow_count"]
        return answers | {"workflow_count": 0 if math.isnan(count) else int(count)}

    @cached_property
    def _answers(self) -> dict[tuple[str, str, object], tuple[float, ...]]:
        """The rows of the table by their keys: a join by pandas takes milliseconds for any."""
        keys = zip(*(self.table[name] for name in _KEYS), strict=True)
        answers = self.table[list(ANSWERS)].to_numpy(dtype=float).tolist()
        return {key: tuple(row) for key, row in zip(keys, answers, strict=True)}

    def widening(self, rows: pd.DataFrame) -> float:
        """Return how much wider the intervals must be to hold 80 % of later lead times.

        The factor stretches both halves about the median on a log scale, and is what split
        conformal prediction asks for (Romano, Patterson and Candès, "Conformalized quantile
        regression", NeurIPS, 2019), within bounds.

        Args:
            rows: ended workflows that `fit` has not seen, with its columns; none: no wider.
        """
        if rows.empty:
            return 1.0
        low, middle, high = self._logs(self.expected(rows))
        actual = np.log1p(rows["lead_time_s"].to_numpy(dtype=float))
        half = np.where(actual > middle, high - middle, middle - low)
        distance = np.sort(np.abs(actual - middle) / np.maximum(half, _NARROWEST))
        position = min(int(np.ceil((len(distance) + 1) * _COVERAGE)), len(distance)) - 1
        return float(np.clip(distance[position], *_WIDENING_BOUNDS))

    def widened(self, factor: float) -> Self:
        """Stretch the intervals about their medians on a log scale."""
        low, middle, high = self._logs(self.table)
        return type(self)(
            self.table.assign(
                lead_time_s_p10=np.expm1(middle - factor * (middle - low)).clip(min=0),
                lead_time_s_p90=np.expm1(middle + factor * (high - middle)),
            )
        )

    @staticmethod
    def _logs(answers: pd.DataFrame) -> tuple[Values, Values, Values]:
        names = ("lead_time_s_p10", "lead_time_s", "lead_time_s_p90")
        low, middle, high = (np.log1p(answers[name].to_numpy(dtype=float)) for name in names)
        return low, middle, high

    def save(self, folder: Path) -> None:
        """Write the table into a folder."""
        self.table.to_parquet(folder / _FILE, index=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError: the file is missing or broken.
        """
        return cls(pd.read_parquet(folder / _FILE))


def _summary(rows: pd.DataFrame, keys: list[str], parents: pd.Series) -> pd.DataFrame:
    """Summarise groups; `parents` has by template the ratio that a group's is drawn towards."""
    groups = rows.groupby(keys, sort=True)
    lead_time = groups["lead_time_s"]
    summary = pd.DataFrame(
        {
            "workflow_count": groups.size().astype(float),
            "lead_time_s": lead_time.median(),
            "lead_time_s_p10": lead_time.quantile(0.1),
            "lead_time_s_p90": lead_time.quantile(0.9),
            "in_time_count": groups["is_in_time"].sum(),
        }
    ).reset_index()
    prior = _PRIOR_COUNT * summary["template_id"].map(parents).astype(float)
    ratio = (summary["in_time_count"] + prior) / (summary["workflow_count"] + _PRIOR_COUNT)
    return summary.assign(success_ratio=ratio)
