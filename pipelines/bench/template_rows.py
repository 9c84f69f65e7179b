"""Workflows of a log with what is known at their opening and the template they took."""

from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from pipelines.learning.columns import WORKFLOW_ID
from pipelines.learning.labels import workflow_labels
from pipelines.learning.split import Part, split_by_time
from pipelines.learning.template.openings import openings
from pipelines.learning.template.variants import Variants, activity_sequences

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
    labels = workflow_labels(workflows, closures, _LATE_QUANTILE, split.test_start)
    rows = openings(workflows, task_events).assign(
        template_id=workflows["template_id"].astype(object),
        lead_time_s=workflows[WORKFLOW_ID].map(labels["lead_time_s"]),
        is_late=workflows[WORKFLOW_ID].map(labels["is_late"]),
    )
    part = rows[WORKFLOW_ID].map(split.parts)
    train, test = (rows[part == side.value] for side in (Part.TRAIN, Part.TEST))
    if workflows["template_id"].notna().any():
        return TemplateRows(train, test, None)
    sequences = activity_sequences(task_events)
    of_train = sequences.reindex(train[WORKFLOW_ID])
    variants = Variants.mine(of_train, train.set_index(WORKFLOW_ID)["is_late"])
    taken = variants.assign(sequences)
    train, test = (side.assign(template_id=side[WORKFLOW_ID].map(taken)) for side in (train, test))
    return TemplateRows(train, test, variants)
