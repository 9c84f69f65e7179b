from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.features.request_time import add_request_time
from pipelines.learning.predictor import Predictor
from pipelines.learning.risks.late_workflow import late_workflow
from tests.serving.made_rows import AS_OF, USUAL, feature_row, frame_of, predictor

NOW = pd.Timestamp(AS_OF)
NO_DUE: dict[str, Any] = {"workflow_progress__due_at": None}


@pytest.fixture(scope="module")
def champion() -> Predictor:
    return predictor(Model.DELAY_RISK)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return add_request_time(
        frame_of(
            [
                feature_row("calm", workflow_progress__rework_count=0),
                feature_row("busy", workflow_progress__rework_count=5, **NO_DUE),
                feature_row(
                    "overdue",
                    workflow_progress__rework_count=0,
                    workflow_progress__due_at=AS_OF - timedelta(hours=36),
                ),
                feature_row("slow", workflow_progress__opened_at=AS_OF - 1.5 * USUAL, **NO_DUE),
                feature_row("forgotten", workflow_progress__last_activity=None),
            ]
        )
    )


def test_scores_are_the_models_but_for_what_is_late_already(
    rows: pd.DataFrame, champion: Predictor
) -> None:
    result = late_workflow(rows, champion, NOW).set_index("subject_id")

    said = champion.predict(rows).set_axis(rows["workflow_id"])["late_probability"]
    assert result.index.to_list() == ["overdue", "slow", "busy", "calm"]
    assert result["score"].to_list() == [1.0, 1.0, said["busy"], said["calm"]]
    assert set(result["kind"]) == {"late_workflow"}
    assert result["level"].to_list() == ["critical", "critical", "critical", "info"]


def test_the_reason_tells_the_due_date_and_what_raises_the_risk(
    rows: pd.DataFrame, champion: Predictor
) -> None:
    told = late_workflow(rows, champion, NOW).set_index("subject_id")["reason"]

    assert told["busy"].startswith("Late with a probability of 9")
    assert "; it has no due date; last was 'check'; raised most by rework_count" in told["busy"]
    assert "; it is due 2016-04-02 12:00 UTC; last was 'check'" in told["calm"]
    assert told["overdue"] == (
        "Late by 1.5 days so far: it was due 2016-03-31 00:00 UTC; last was 'check'."
    )
    assert told["slow"] == (
        "Late by 4.5 days so far: such workflows usually take 9.0 days at most; last was 'check'."
    )


def test_no_running_workflow_is_no_risk(rows: pd.DataFrame, champion: Predictor) -> None:
    assert late_workflow(rows.iloc[4:], champion, NOW).empty


def test_a_missing_column_is_named(rows: pd.DataFrame, champion: Predictor) -> None:
    with pytest.raises(TrainingError, match="rework_count"):
        late_workflow(rows.drop(columns="workflow_progress__rework_count"), champion, NOW)
