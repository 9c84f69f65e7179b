"""Without pandas a workflow is answered as with it, alone and among others."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.fit import fit_next_activity
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.rows import task_sequence, task_sequence_of
from tests.learning.next_activity.events import as_read, make_history

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def fitted() -> NextActivityModel:
    events = task_sequence(*make_history(200, seed=7))
    fitted = fit_next_activity(events, (events["workflow_id"] >= "w0150").to_numpy())
    assert {"amount", "size"} <= {column.key for column in fitted.encoder.columns}
    return fitted


@pytest.fixture(params=[0.0, 0.4])
def model(fitted: NextActivityModel, request: pytest.FixtureRequest) -> NextActivityModel:
    """A model whose trees answer alone, and one whose n-gram has a part."""
    return replace(fitted, ngram_weight=request.param)


def nothing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    ("of_events", "of_workflows"),
    [
        (nothing, nothing),
        (lambda events: events.assign(attributes="{}"), lambda one: one.assign(attributes="{}")),
        (
            lambda events: events.assign(
                activity=events["activity"].replace({"check": "never seen"}), person_id="nobody"
            ),
            lambda one: one.assign(template_id="new", client_id="new", priority="new"),
        ),
        (
            lambda events: events.assign(person_id=None, team_id=None, attributes="null"),
            lambda one: one.assign(
                template_id=None, client_id=None, priority=None, attributes="no JSON"
            ),
        ),
        (
            lambda events: events.assign(attributes='{"size": "many", "new": [1]}'),
            lambda one: one.assign(attributes='{"amount": null, "kind": 3.0}'),
        ),
    ],
)
def test_the_answer_is_the_frames(
    model: NextActivityModel, of_events: Change, of_workflows: Change, count: int
) -> None:
    events, workflows = make_history(80)
    events, workflows = of_events(events), of_workflows(workflows)
    sizes = events.groupby("workflow_id").size()
    assert (sizes.min(), sizes.max()) == (1, 120)
    expected = model.predict(task_sequence(events, workflows), count)
    read = [task_sequence_of(one) for one in as_read(events, workflows)]
    found = model.predict_workflows(read, count)
    assert found == [model.predict_workflows([one], count)[0] for one in read]
    rows = pd.DataFrame([row for answers in found for row in answers])
    pd.testing.assert_frame_equal(rows[["rank", "activity"]], expected[["rank", "activity"]])
    np.testing.assert_allclose(rows["probability"], expected["probability"], rtol=0, atol=1e-12)


def test_a_missing_column_is_named(model: NextActivityModel) -> None:
    (first, *_) = as_read(*make_history(1))
    tasks = [
        {name: value for name, value in task.items() if name != "priority"}
        for task in task_sequence_of(first)
    ]
    with pytest.raises(TrainingError, match="priority"):
        model.predict_workflows([tasks])
