"""Measure template suggestions on later workflows, beside simple ways to suggest."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.columns import AS_OF
from pipelines.learning.metrics import HOUR_S, Metrics
from pipelines.learning.ranking import ranking_metrics, ranks
from pipelines.learning.split import Part
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.openings import CLIENT
from pipelines.learning.template.rows import mined_variants, with_templates
from pipelines.learning.training_set import rows_of

Values = npt.NDArray[np.float64]

MOST_FREQUENT: Final = "most_frequent"
OF_CLIENT: Final = "most_recent_of_client"


def evaluate_templates(model: TemplateModel, frame: pd.DataFrame) -> Metrics:
    """Measure a model on the test rows of a training set.

    A workflow whose template the model does not know is a miss.

    Returns:
        hit_at_1, hit_at_3, hit_at_5, mrr; and of what is expected of the template taken:
        lead_time_mae_hours, coverage_p10_p90_ratio and success_brier.

    Raises:
        TrainingError: a column the model reads is missing, or there are no such rows.
    """
    test = with_templates(rows_of(frame, Part.TEST), model.variants)
    metrics: Metrics = {**ranking_metrics(ranks(model.scores(test), codes(model.templates, test)))}
    return metrics | expectations(model, test[test["template_id"].isin(model.templates)])


def template_baselines(frame: pd.DataFrame) -> dict[str, Metrics]:
    """Measure the simple suggestions of the training rows on the test rows.

    Raises:
        TrainingError: a side has no row.
    """
    rows = with_templates(frame, mined_variants(frame))
    train, test = rows_of(rows, Part.TRAIN), rows_of(rows, Part.TEST)
    templates = [str(one) for one in sorted(train["template_id"].dropna().unique())]
    actual = codes(templates, test)
    return {
        name: {**ranking_metrics(ranks(scores, actual))}
        for name, scores in baseline_scores(templates, train, test).items()
    }


def baseline_scores(
    templates: Sequence[str], train: pd.DataFrame, test: pd.DataFrame
) -> dict[str, Values]:
    """Return by baseline the (test workflows, templates) scores."""
    known = train[train["template_id"].notna()].sort_values(AS_OF, kind="stable")
    shares = known["template_id"].value_counts(normalize=True).reindex(list(templates))
    majority = np.tile(shares.to_numpy(dtype=float), (len(test), 1))
    latest = known.drop_duplicates(CLIENT, keep="last").set_index(CLIENT)["template_id"]
    of_client = test[CLIENT].map(latest[latest.index.notna()])
    is_latest = of_client.to_numpy(dtype=object)[:, None] == np.array(list(templates), object)
    return {MOST_FREQUENT: majority, OF_CLIENT: majority + is_latest}


def codes(templates: Sequence[str], rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return each row's template as its position, `ranking.UNKNOWN` for one not among them."""
    return pd.Index(list(templates)).get_indexer(pd.Index(rows["template_id"])).astype(np.int64)


def expectations(model: TemplateModel, test: pd.DataFrame) -> Metrics:
    """Measure what is expected of the templates that were taken."""
    if test.empty:
        return {}
    expected = model.outcomes.expected(test)
    lead_time_s, in_time = test["lead_time_s"], 1 - test["is_late"].astype(float)
    low, high = expected["lead_time_s_p10"], expected["lead_time_s_p90"]
    return {
        "lead_time_mae_hours": float((lead_time_s - expected["lead_time_s"]).abs().mean()) / HOUR_S,
        "coverage_p10_p90_ratio": float(((low <= lead_time_s) & (lead_time_s <= high)).mean()),
        "success_brier": float(((in_time - expected["success_ratio"]) ** 2).mean()),
    }
