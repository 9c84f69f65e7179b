"""Measure template suggestions on an event log, beside the simple ways to suggest.

The latest-opened fifth of the ended workflows tests; what had ended before the first of them
opened trains. Where the log names no templates they are mined from the training workflows, and
a later workflow's template is the one it turned out to be most like.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.bench.measure import Contender, Work, side_by_side
from pipelines.bench.template_rows import TemplateRows, template_rows
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log
from pipelines.learning.metrics import HOUR_S, Metrics
from pipelines.learning.ranking import UNKNOWN, ranking_metrics, ranks
from pipelines.learning.template.fit import fit_templates
from pipelines.learning.template.measure import baseline_scores, codes, expectations
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.openings import CLIENT

Values = npt.NDArray[np.float64]
Progress = Callable[[str], None]

LEARNER: Final = "Workcast (hybrid)"


@dataclass(frozen=True)
class TemplateFigures:
    """What was asked of whom, and the results.

    `results` has by contender hit_at_1, hit_at_3, hit_at_5 and mrr over all test workflows, one
    without a known template being a miss for everyone. `expectations` compares what is expected
    of the template that was taken with what happened, beside one answer for all.
    """

    is_mined: bool
    template_count: int
    train_workflow_count: int
    test_workflow_count: int
    answerable_ratio: float  # of the test workflows: their template is among the known
    new_client_ratio: float  # of the test workflows: no training workflow of their client
    content_weight: float
    facts: Mapping[str, Any]
    results: Mapping[str, Mapping[str, float]]
    expectations: Mapping[str, float | None]
    seconds: float
    peak_mib: float


def measure_template(
    path: Path,
    mapping_path: Path | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> TemplateFigures:
    """Train on the past of one log and measure the suggestions for what was opened later.

    Args:
        path: event log.
        mapping_path: what its columns mean; None takes the shipped mapping that fits.
        seed: of the learners.
        progress: told what is done.

    Raises:
        LogFormatError, MappingError, TrainingError: see `read_log`, `template_rows`,
            `fit_templates`.
    """
    mapping = load_mapping(mapping_path) if mapping_path else choose_mapping(path)
    with tempfile.TemporaryDirectory(prefix="workcast-bench-") as scratch:
        progress(f"reading {path.name}")
        read_log(path, mapping, Path(scratch), datetime.now(UTC))
        progress("training")
        contender = Contender(LEARNER, partial(_prepare, Path(scratch), seed))
        (measured,) = side_by_side([contender], 1)
    figures: dict[str, Any] = measured.result
    return TemplateFigures(**figures, seconds=measured.median_s, peak_mib=measured.peak_mib)


def result_rows(figures: TemplateFigures) -> list[tuple[str, ...]]:
    """Return rows: contender, Hit@1, Hit@3, Hit@5, MRR."""
    return [
        (name, *(f"{one[key]:.3f}" for key in ("hit_at_1", "hit_at_3", "hit_at_5", "mrr")))
        for name, one in figures.results.items()
    ]


def _prepare(folder: Path, seed: int) -> Work:
    workflows = pd.read_parquet(folder / "workflows.parquet")
    task_events = pd.read_parquet(folder / "task_events.parquet")
    return lambda: measured_rows(template_rows(workflows, task_events), seed)


def measured_rows(rows: TemplateRows, seed: int) -> dict[str, Any]:
    """Train and measure; return the figures as plain data."""
    model = fit_templates(rows.train, variants=rows.variants, seed=seed)
    test = rows.test
    actual = codes(model.templates, test)
    metrics = {
        name: ranking_metrics(ranks(scores, actual))
        for name, scores in contenders(model, rows.train, test).items()
    }
    return {
        "is_mined": rows.variants is not None,
        "template_count": len(model.templates),
        "train_workflow_count": len(rows.train),
        "test_workflow_count": len(test),
        "answerable_ratio": float((actual != UNKNOWN).mean()),
        "new_client_ratio": float((~test[CLIENT].isin(rows.train[CLIENT].dropna())).mean()),
        "content_weight": model.content_weight,
        "facts": dict(model.facts),
        "results": metrics,
        "expectations": _expectations(model, rows.train, test[actual != UNKNOWN]),
    }


def contenders(model: TemplateModel, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Values]:
    """Return by contender the (test workflows, templates) scores."""
    simple = baseline_scores(model.templates, train, test)
    return {
        **{name.replace("_", " "): scores for name, scores in simple.items()},
        "content": model.content.scores(test),
        "clients alike": model.collaborative.scores(test[CLIENT]),
        LEARNER: model.scores(test),
    }


def _expectations(model: TemplateModel, train: pd.DataFrame, test: pd.DataFrame) -> Metrics:
    """Measure lead times in hours and success; `overall_` is one answer for all workflows."""
    lead_time_s, in_time = test["lead_time_s"], 1 - test["is_late"].astype(float)
    overall_s = train["lead_time_s"].median()
    overall_success = 1 - train["is_late"].astype(float).mean()
    return expectations(model, test) | {
        "overall_lead_time_mae_hours": float((lead_time_s - overall_s).abs().mean()) / HOUR_S,
        "overall_success_brier": float(((in_time - overall_success) ** 2).mean()),
    }
