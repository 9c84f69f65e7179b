"""Learn which templates new workflows ask for, and choose the blend on later workflows."""

from collections.abc import Sequence
from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import AS_OF, require_columns
from pipelines.learning.encode import Encoder
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.ranking import ranking_metrics, ranks
from pipelines.learning.template.collaborative import Collaborative
from pipelines.learning.template.model import TemplateModel, blended
from pipelines.learning.template.openings import CLIENT
from pipelines.learning.template.outcomes import Outcomes
from pipelines.learning.template.variants import Variants

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

_LEAST_ROWS: Final = 20
_LEAST_TEMPLATES: Final = 2
_VALIDATION_RATIO: Final = 0.2
_MOST_ROUNDS: Final = 200
_PATIENCE: Final = 10
_WEIGHTS: Final = tuple(i / 10 for i in range(11))
_OUTCOME_COLUMNS: Final = ("template_id", "lead_time_s", "is_late")
_PARAMS: Final = {
    "objective": "multiclass",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "cat_smooth": 20,
    "cat_l2": 10,
    "lambda_l2": 1.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def fit_templates(
    rows: pd.DataFrame,
    *,
    variants: Variants | None = None,
    catalogue: Sequence[str] = (),
    seed: int = 0,
) -> TemplateModel:
    """Train on ended workflows; the latest-opened fifth chooses, then trains too.

    Args:
        rows: columns of `openings`, and template_id (missing where a workflow is like none of
            the variants), lead_time_s and is_late.
        variants: the mined templates, where the log has none of its own.
        catalogue: all templates there are, those without a workflow included.
        seed: of sampling and of the first factors.

    Raises:
        TrainingError: a column is missing, too few workflows or templates, or nothing varies.
    """
    require_columns(rows, (AS_OF, CLIENT, *_OUTCOME_COLUMNS), "training workflows")
    rows = rows[rows["template_id"].notna()].sort_values(AS_OF, kind="stable", ignore_index=True)
    templates = tuple(sorted(rows["template_id"].unique()))
    if len(templates) < _LEAST_TEMPLATES:
        raise TrainingError(
            f"{len(rows)} workflows have {len(templates)} templates: there is nothing to choose "
            "between. Import a longer history."
        )
    target = pd.Index(templates).get_indexer(pd.Index(rows["template_id"])).astype(np.int64)
    known = rows.drop(columns=list(_OUTCOME_COLUMNS))
    fit_rows, validation = _masks(rows)
    rounds, weight, metrics = _choose(known, target, fit_rows, validation, seed)
    encoder = fit_encoder(known)
    params = _params(len(templates), seed)
    return TemplateModel(
        templates=templates,
        encoder=encoder,
        trees=lgb.train(params, _dataset(encoder, known, target, params), rounds),
        collaborative=Collaborative.fit(known[CLIENT], target, len(templates), seed),
        content_weight=weight,
        outcomes=Outcomes.fit(rows),
        variants=variants,
        untried=tuple(sorted(set(catalogue) - set(templates))),
        facts={
            "workflow_count": len(rows),
            "template_count": len(templates),
            "client_count": int(rows[CLIENT].nunique()),
            "round_count": rounds,
            "validation": metrics,
        },
    )


def _masks(rows: pd.DataFrame) -> tuple[Mask, Mask]:
    """Return the rows that had ended when the first validation row opened, and the latter."""
    start = rows[AS_OF].iloc[int(len(rows) * (1 - _VALIDATION_RATIO))]
    validation = (rows[AS_OF] >= start).to_numpy()
    closed_at = rows[AS_OF] + pd.to_timedelta(rows["lead_time_s"], unit="s")
    fit_rows = (closed_at < start).to_numpy()
    if fit_rows.sum() < _LEAST_ROWS:
        fit_rows = ~validation  # a kind validation is better than none
    for side, mask in (("to fit on", fit_rows), ("to validate on", validation)):
        if mask.sum() < _LEAST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} workflows {side}, at least {_LEAST_ROWS} are needed: import "
                "a longer history."
            )
    return fit_rows, validation


def _choose(
    known: pd.DataFrame, target: Codes, fit_rows: Mask, validation: Mask, seed: int
) -> tuple[int, float, dict[str, float]]:
    """Return the rounds, the content's weight and what they reach on the validation rows."""
    count = int(target.max()) + 1
    earlier, later = known[fit_rows], known[validation]
    encoder = fit_encoder(earlier)
    params = _params(count, seed)
    to_fit = _dataset(encoder, earlier, target[fit_rows], params)
    matrix = encoder.matrix(later)
    trees = lgb.train(
        params,
        to_fit,
        _MOST_ROUNDS,
        valid_sets=[lgb.Dataset(matrix, target[validation], reference=to_fit)],
        callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
    )
    content = np.asarray(trees.predict(matrix, num_iteration=trees.best_iteration, num_threads=1))
    alike = Collaborative.fit(earlier[CLIENT], target[fit_rows], count, seed).scores(later[CLIENT])
    tried = {
        weight: ranking_metrics(ranks(blended(content, alike, weight), target[validation]))
        for weight in _WEIGHTS
    }
    best = max(_WEIGHTS, key=lambda weight: (tried[weight]["mrr"], weight))
    return max(trees.best_iteration, 1), best, tried[best]


def _params(template_count: int, seed: int) -> dict[str, object]:
    return {**_PARAMS, "num_class": template_count, "seed": seed % 2**31}


def _dataset(
    encoder: Encoder, known: pd.DataFrame, target: Codes, params: dict[str, object]
) -> lgb.Dataset:
    names = [f"f{position}" for position in range(len(encoder.columns))]
    return lgb.Dataset(
        encoder.matrix(known),
        target,
        feature_name=names,
        categorical_feature=encoder.categorical,
        params=dict(params),
    )
