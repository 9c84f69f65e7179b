"""Workflows of a log with what is known at their opening and the template they took."""

from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from pipelines.learning.columns import PART, WORKFLOW_ID
from pipelines.learning.split import Part, split_by_time
from pipelines.learning.template.rows import STEPS, mined_variants, with_templates
from pipelines.learning.template.rows import template_rows as questions
from pipelines.learning.template.variants import Variants
from pipelines.learning.training_set import rows_of

_TEST_RATIO: Final = 0.2
_LATE_QUANTILE: Final = 0.8  # of lead times, where a log has no due dates and no outcome


@dataclass(frozen=True)
class TemplateRows:
    """Training and test workflows as `fit_templates` reads them; mined templates, or None."""

    train: pd.DataFrame = field(repr=False)
    test: pd.DataFrame = field(repr=False)
    variants: Variants | None


def template_rows(workflows: pd.DataFrame, task_events: pd.DataFrame) -> TemplateRows:
    """Split by opening, and mine templates from the training workflows if the log has none.

    Args:
        workflows: table of `history.schema.WORKFLOWS`.
        task_events: table of `history.schema.TASK_EVENTS`.

    Raises:
        TrainingError: too few ended workflows, or no frequent variant.
    """
    closures = workflows.loc[
        workflows["closed_at"].notna(),
        [WORKFLOW_ID, "closed_at", "outcome_is_late", "closure_recorded_at"],
    ].rename(columns={"closure_recorded_at": "recorded_at"})
    split = split_by_time(workflows, closures, _TEST_RATIO)
    rows = questions(workflows, closures, task_events, split, _LATE_QUANTILE)
    variants = mined_variants(rows)
    rows = with_templates(rows, variants).drop(columns=[STEPS, "late_rule"])
    train, test = (rows_of(rows, side).drop(columns=PART) for side in (Part.TRAIN, Part.TEST))
    return TemplateRows(train, test, variants)
