"""Learn which templates new workflows ask for, and choose how on later workflows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, require_columns
from pipelines.learning.ranking import ranking_metrics, ranks
from pipelines.learning.template.collaborative import Collaborative
from pipelines.learning.template.content import (
    NO_HALF_LIFE,
    Asked,
    Content,
    shifted,
    stop_early,
)
from pipelines.learning.template.model import TemplateModel, blended
from pipelines.learning.template.openings import CLIENT
from pipelines.learning.template.outcomes import Outcomes
from pipelines.learning.template.variants import Variants

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_LEAST_ROWS: Final = 20
_LEAST_TEMPLATES: Final = 2
_VALIDATION_RATIO: Final = 0.2
# Tried on the validation workflows; of equals the first one is taken.
_HALF_LIFE_RATIOS: Final = (NO_HALF_LIFE, 0.3, 0.1, 0.03)
_EXPONENTS: Final = (0.0, 0.5, 1.0)
_REGULARISATIONS: Final = (10.0, 1.0, 100.0)
_CONTENT_WEIGHTS: Final = tuple(i / 10 for i in range(10, -1, -1))
_OUTCOMES: Final = ("template_id", "lead_time_s", "is_late")


@dataclass(frozen=True)
class Choice:
    """What did best on the validation workflows, and how well."""

    round_count: int
    half_life_ratio: float
    shift_exponent: float
    regularisation: float
    content_weight: float
    metrics: dict[str, float]
    tried: list[dict[str, Any]]


def fit_templates(
    rows: pd.DataFrame,
    *,
    variants: Variants | None = None,
    catalogue: Sequence[str] = (),
    seed: int = 0,
) -> TemplateModel:
    """Train on ended workflows; the latest-opened fifth chooses, then trains too.

    Chosen by mean reciprocal rank: first how the content is learned, then how the clients are,
    together with the part each has; clients have a part only if that gains more than its
    standard error.

    Args:
        rows: columns of `openings`, and template_id (missing where a workflow is like none of
            the variants), lead_time_s and is_late.
        variants: the mined templates, where the log has none of its own.
        catalogue: all templates there are, those without a workflow included.
        seed: of sampling and of the first factors.

    Raises:
        TrainingError: a column is missing, too few workflows or templates, or nothing varies.
    """
    require_columns(rows, (AS_OF, CLIENT, *_OUTCOMES), "training workflows")
    rows = rows[rows["template_id"].notna()].sort_values(AS_OF, kind="stable", ignore_index=True)
    templates = tuple(sorted(rows["template_id"].unique()))
    if len(templates) < _LEAST_TEMPLATES:
        raise TrainingError(
            f"{len(rows)} workflows have {len(templates)} templates: there is nothing to choose "
            "between. Import a longer history."
        )
    fit_rows, validation = _masks(rows)
    choice = _choose(_asked(rows[fit_rows], templates), _asked(rows[validation], templates), seed)
    asked = _asked(rows, templates)
    seen = rows[validation & rows["template_id"].isin(rows.loc[fit_rows, "template_id"])]
    widening = Outcomes.fit(rows[fit_rows]).widening(seen)
    return TemplateModel(
        templates=templates,
        content=Content.fit(
            asked, choice.round_count, choice.half_life_ratio, choice.shift_exponent, seed
        ),
        collaborative=_collaborative(asked, choice.regularisation, seed),
        content_weight=choice.content_weight,
        outcomes=Outcomes.fit(rows).widened(widening),
        variants=variants,
        untried=tuple(sorted(set(catalogue) - set(templates))),
        facts=_facts(rows, choice) | {"interval_widening": widening},
    )


def _asked(rows: pd.DataFrame, templates: Sequence[str]) -> Asked:
    target = pd.Index(templates).get_indexer(pd.Index(rows["template_id"])).astype(np.int64)
    closed_at = rows[AS_OF] + pd.to_timedelta(rows["lead_time_s"], unit="s")
    return Asked(rows.drop(columns=list(_OUTCOMES)), target, closed_at, len(templates))


def _masks(rows: pd.DataFrame) -> tuple[Mask, Mask]:
    """Return the rows that had ended when the first validation row opened, and the latter."""
    start = rows[AS_OF].iloc[int(len(rows) * (1 - _VALIDATION_RATIO))]
    validation = np.asarray(rows[AS_OF] >= start)
    closed_at = rows[AS_OF] + pd.to_timedelta(rows["lead_time_s"], unit="s")
    fit_rows = np.asarray(closed_at < start)
    if fit_rows.sum() < _LEAST_ROWS:
        fit_rows = ~validation  # a kind validation is better than none
    for side, mask in (("to fit on", fit_rows), ("to validate on", validation)):
        if mask.sum() < _LEAST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} workflows {side}, at least {_LEAST_ROWS} are needed: import "
                "a longer history."
            )
    return fit_rows, validation


def _choose(asked: Asked, later: Asked, seed: int) -> Choice:
    def reciprocal_ranks(scores: Values) -> Values:
        return np.asarray(1 / ranks(scores, later.target))

    answers, rounds = {}, {}
    for half_life in _HALF_LIFE_RATIOS:
        rounds[half_life], raw = stop_early(asked, later, half_life, seed)
        for exponent in _EXPONENTS:
            answers[half_life, exponent] = shifted(raw, asked.shift(half_life, exponent))
    half_life, exponent = max(answers, key=lambda one: reciprocal_ranks(answers[one]).mean())
    content = answers[half_life, exponent]
    alike = {
        one: _collaborative(asked, one, seed).scores(later.known[CLIENT])
        for one in _REGULARISATIONS
    }
    of_content = reciprocal_ranks(content)
    gains = {
        (weight, one): reciprocal_ranks(blended(content, alike[one], weight)) - of_content
        for weight, one in product(_CONTENT_WEIGHTS, _REGULARISATIONS)
    }
    weight, regularisation = max(gains, key=lambda one: gains[one].mean())
    gain = gains[weight, regularisation]
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        weight = 1.0  # within a standard error: luck
    best = ranking_metrics(ranks(blended(content, alike[regularisation], weight), later.target))
    tried = [
        {
            "weight": float(one == (half_life, exponent)),
            "reached": float(reciprocal_ranks(scores).mean()),
            "learner": "content",
            "half_life_ratio": _plain(one[0]),
            "shift_exponent": one[1],
        }
        for one, scores in answers.items()
    ] + [
        {
            "weight": float(one == regularisation and weight < 1),
            "reached": float(reciprocal_ranks(scores).mean()),
            "learner": "clients",
            "regularisation": one,
        }
        for one, scores in alike.items()
    ]
    return Choice(rounds[half_life], half_life, exponent, regularisation, weight, best, tried)


def _collaborative(asked: Asked, regularisation: float, seed: int) -> Collaborative:
    return Collaborative.fit(
        asked.known[CLIENT], asked.target, asked.template_count, regularisation, seed
    )


def _facts(rows: pd.DataFrame, choice: Choice) -> dict[str, Any]:
    return {
        "workflow_count": len(rows),
        "client_count": int(rows[CLIENT].nunique()),
        "round_count": choice.round_count,
        "half_life_ratio": _plain(choice.half_life_ratio),
        "shift_exponent": choice.shift_exponent,
        "regularisation": choice.regularisation,
        "validation": choice.metrics,
        "tried": choice.tried,
    }


def _plain(half_life_ratio: float) -> float | None:
    """Return a half-life as JSON may have it: none instead of one without end."""
    return None if half_life_ratio == NO_HALF_LIFE else half_life_ratio
