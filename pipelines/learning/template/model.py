"""Suggest templates for new workflows, with what to expect of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.template.collaborative import Collaborative
from pipelines.learning.template.content import Content
from pipelines.learning.template.openings import CLIENT, PRIORITY
from pipelines.learning.template.outcomes import Outcomes
from pipelines.learning.template.variants import Variants

Values = npt.NDArray[np.float64]

_SPEC: Final = "spec.json"


@dataclass(frozen=True)
class TemplateModel:
    """Suggests by content, by clients alike and by both.

    `templates` are those with training workflows, in the order of the scores' columns;
    `untried` are further ones of the catalogue. `variants` are the mined templates, None where
    the log has its own. `facts` is plain data about the training.
    """

    templates: tuple[str, ...]
    content: Content
    collaborative: Collaborative = field(repr=False)
    content_weight: float  # 0 to 1; clients alike have the rest
    outcomes: Outcomes = field(repr=False)
    variants: Variants | None
    untried: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def input_columns(self) -> list[str]:
        """Columns that an opening must have."""
        return list(dict.fromkeys([WORKFLOW_ID, CLIENT, PRIORITY, *self.content.encoder.sources]))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Suggest the best three templates for openings, as `suggest` does."""
        return self.suggest(frame)

    def scores(self, openings: pd.DataFrame) -> Values:
        """Return (workflows, templates) blended reciprocal ranks, higher is better."""
        return blended(
            self.content.scores(openings),
            self.collaborative.scores(openings[CLIENT]),
            self.content_weight,
        )

    def suggest(self, openings: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """Return the best templates for new workflows; templates never tried come last.

        Args:
            openings: rows of `template.openings.openings`; unknown clients, teams and
                attributes are answered from what is known of the others.
            count: how many for each workflow.

        Returns:
            workflow_id, rank (1, 2, …), template_id, workflow_count (training workflows of the
            template, of the same client or priority where there are enough), lead_time_s
            (median) with an 80 % interval, lead_time_s_p10 to lead_time_s_p90, and success_ratio
            (share in time); missing for a template never tried. Workflows in the order of the rows.
        """
        known = (openings[name] for name in (WORKFLOW_ID, CLIENT, PRIORITY))
        return pd.DataFrame(
            {WORKFLOW_ID: workflow_id, **one}
            for scores, workflow_id, *groups in zip(self.scores(openings), *known, strict=True)
            for one in self._best(scores, groups, count)
        )

    def suggest_row(self, opening: Mapping[str, Any], count: int = 3) -> list[dict[str, Any]]:
        """Suggest for one new workflow, as `suggest` does but without pandas.

        Args:
            opening: what `template.openings.opening_row` gives.
            count: how many.

        Returns:
            The columns of `suggest`, less workflow_id, of each suggestion, the best first; NaN
            for what is missing.

        Raises:
            TrainingError: a column the trees were trained on is missing.
        """
        scores = blended(
            self.content.scores_row(opening),
            self.collaborative.scores([opening[CLIENT]]),
            self.content_weight,
        )
        return self._best(scores[0], (opening[CLIENT], opening[PRIORITY]), count)

    def _best(self, scores: Values, groups: Sequence[object], count: int) -> list[dict[str, Any]]:
        best = [self.templates[place] for place in np.argsort(-scores, kind="stable").tolist()]
        return [
            {"rank": rank, "template_id": name, **self.outcomes.expected_of(name, *groups)}
            for rank, name in enumerate([*best, *self.untried][:count], start=1)
        ]

    def save(self, folder: Path) -> None:
        """Write the model into a folder as LightGBM text, JSON, Parquet and arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        self.outcomes.save(folder)
        spec = {
            "templates": self.templates,
            "untried": self.untried,
            "content": self.content.save(folder),
            "collaborative": self.collaborative.save(folder),
            "content_weight": self.content_weight,
            "variants": None if self.variants is None else self.variants.to_spec(),
            "facts": self.facts,
        }
        (folder / _SPEC).write_text(json.dumps(spec, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or broken.
        """
        try:
            spec = json.loads((folder / _SPEC).read_text(encoding="utf-8"))
            variants = spec["variants"]
            return cls(
                tuple(spec["templates"]),
                Content.load(folder, spec["content"]),
                Collaborative.load(folder, spec["collaborative"]),
                float(spec["content_weight"]),
                Outcomes.load(folder),
                None if variants is None else Variants.from_spec(variants),
                tuple(spec["untried"]),
                spec["facts"],
            )
        except (OSError, KeyError, ValueError, lgb.basic.LightGBMError) as err:
            raise TrainingError(f"Cannot read a template model from {folder}: {err}") from err


def blended(content: Values, collaborative: Values, content_weight: float) -> Values:
    """Return the weighted mean of both rankings' reciprocal ranks."""
    return content_weight * _reciprocal_ranks(content) + (1 - content_weight) * _reciprocal_ranks(
        collaborative
    )


def _reciprocal_ranks(scores: Values) -> Values:
    order = np.argsort(-scores, axis=1, kind="stable")
    result = np.empty_like(scores)
    np.put_along_axis(result, order, 1 / (1 + np.arange(scores.shape[1]))[None, :], axis=1)
    return result
