"""One new workflow is answered without pandas as it is among all, with pandas."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.template.fit import fit_templates
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.openings import opening_row, openings
from tests.learning.template.workflows import make_workflows

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def fitted() -> TemplateModel:
    workflows = make_workflows().assign(opening_team_id="desk")
    lead_time = workflows["closed_at"] - workflows["opened_at"]
    rows = openings(workflows).assign(
        template_id=workflows["template_id"],
        lead_time_s=lead_time.dt.total_seconds(),
        is_late=workflows["closed_at"] > workflows["due_at"],
    )
    model = fit_templates(rows, catalogue=["brand-new"])
    shifted = replace(model.content, shift=np.array([3.0, 1.0, 0.2]))
    return replace(model, content=shifted)


@pytest.fixture(params=[1.0, 0.5, 0.0])
def model(fitted: TemplateModel, request: pytest.FixtureRequest) -> TemplateModel:
    """Suggests by content, by both, and by clients alike."""
    return replace(fitted, content_weight=request.param)


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    "change",
    [
        lambda one: one,
        lambda one: one.assign(attributes="{}"),
        lambda one: one.assign(attributes="no JSON", priority=None, opening_team_id=None),
        lambda one: one.assign(client_id="new", priority="new", opening_team_id="new"),
        lambda one: one.assign(client_id=None, attributes='{"product": null, "new": [1]}'),
        lambda one: one.assign(attributes='{"product": 3.0}'),
    ],
)
def test_the_answer_is_the_frames(model: TemplateModel, change: Change, count: int) -> None:
    workflows = change(make_workflows(120, seed=5).assign(opening_team_id="desk"))
    expected = model.suggest(openings(workflows), count).drop(columns="workflow_id")
    given = workflows.to_dict("records")
    found = [row for one in given for row in model.suggest_row(opening_row(one), count)]
    names = ["rank", "template_id", "workflow_count"]
    pd.testing.assert_frame_equal(pd.DataFrame(found)[names], expected[names])
    assert list(found[0]) == list(expected)
    figures = expected.columns.drop(names)
    np.testing.assert_allclose(pd.DataFrame(found)[figures], expected[figures], rtol=1e-12)


def test_the_probabilities_are_the_frames(fitted: TemplateModel) -> None:
    known = openings(make_workflows(120, seed=5).assign(opening_team_id="desk"))
    found = [fitted.content.scores_row(row)[0] for row in known.to_dict("records")]
    np.testing.assert_allclose(found, fitted.content.scores(known), rtol=0, atol=1e-12)


def test_a_missing_column_is_named(fitted: TemplateModel) -> None:
    (one,) = make_workflows(1).assign(opening_team_id="desk").to_dict("records")
    row = {name: value for name, value in opening_row(one).items() if name != "hour"}
    with pytest.raises(TrainingError, match="hour"):
        fitted.suggest_row(row)
