from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.errors import MonitoringError, TrainingError
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.predictor import Predictor
from pipelines.learning.train import train
from pipelines.learning.training_set import TrainingSet
from pipelines.monitoring.drift import drift_report
from pipelines.monitoring.periods import decoded, read_training_set, training_and_later
from pipelines.registry.load import LoadedModel
from tests.learning.history import make_training_set


@pytest.fixture(scope="module")
def learned() -> TrainingSet:
    return make_training_set()


@pytest.fixture(scope="module")
def predictors(learned: TrainingSet) -> dict[Model, Predictor]:
    return {
        model: train(model, learned, seed=3, trial_count=2).predictor for model in WORKFLOW_MODELS
    }


def loaded(predictor: Predictor, url: str) -> LoadedModel:
    return LoadedModel(predictor, predictor.model.value, "4", "champion", "r", "s", url, "")


def test_decoded_is_what_the_model_is_given() -> None:
    encoder = Encoder(
        (
            Column("n", "n", Kind.NUMBER),
            Column("at", "at", Kind.AGE),
            Column("who", "who", Kind.CATEGORY, levels=("ann", "bob")),
            Column("a.x", "a", Kind.CATEGORY, key="x", levels=("3",)),
        )
    )
    moment = pd.Timestamp("2020-01-02", tz="UTC")
    rows = pd.DataFrame(
        {
            "as_of": [moment] * 3,
            "n": pd.array([1, None, 3], dtype="Int64"),
            "at": [moment - pd.Timedelta(hours=1), pd.NaT, moment],
            "who": ["bob", None, "eve"],
            "a": ['{"x": 3.0}', "{}", '{"x": "4"}'],
        },
        index=[5, 6, 7],
    )

    expected = pd.DataFrame(
        {
            "n": [1.0, np.nan, 3.0],
            "at": [3_600.0, np.nan, 0.0],
            "who": ["bob", None, "(other)"],
            "a.x": ["3", None, "(other)"],
        },
        index=[5, 6, 7],
    )
    pd.testing.assert_frame_equal(decoded(encoder, rows), expected)


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_reference_is_training_current_is_later(
    learned: TrainingSet, predictors: dict[Model, Predictor], model: Model
) -> None:
    periods = training_and_later(learned.frame, predictors[model])

    parts = learned.frame["part"].value_counts()
    assert (len(periods.reference), len(periods.current)) == (parts["train"], parts["test"])
    test_rows = learned.frame[learned.frame["part"] == "test"]
    assert pd.Timestamp(periods.current_start) == test_rows["as_of"].min()
    assert pd.Timestamp(periods.current_end) == test_rows["as_of"].max()
    assert pd.Timestamp(periods.current_start) >= learned.split.test_start
    answers = predictors[model].predict(test_rows.reset_index(drop=True)).iloc[:, 0]
    predicted = next(c for c in periods.numeric if c.startswith("predicted "))
    np.testing.assert_array_equal(periods.current[predicted], answers)
    if model is Model.REMAINING_TIME:
        np.testing.assert_array_equal(
            periods.current["actual remaining_time_s"], test_rows["remaining_time_s"]
        )
        assert (periods.target, periods.prediction) == ("actual remaining_time_s", predicted)
    else:
        assert (periods.target, periods.prediction) == (None, None)


@pytest.mark.parametrize("model", WORKFLOW_MODELS)
def test_periods_can_be_reported(
    learned: TrainingSet, predictors: dict[Model, Predictor], model: Model, tmp_path: Path
) -> None:
    periods = training_and_later(learned.frame, predictors[model])

    result = drift_report(
        periods.reference,
        periods.current,
        numeric=periods.numeric,
        categorical=periods.categorical,
        target=periods.target,
        prediction=periods.prediction,
        project=f"Workcast {model}",
        name="later",
        workspace=tmp_path / "evidently",
        html=tmp_path / "reports",
        retention=3,
        as_of=periods.current_end,
    )

    assert set(result.compared_columns) == set(predictors[model].encoder.names) | {
        c for c in periods.numeric if c.startswith("predicted ")
    }
    assert (result.mae_current is None) == (model is Model.DELAY_RISK)


def test_training_set_is_read_back_as_it_was(
    learned: TrainingSet, predictors: dict[Model, Predictor], tmp_path: Path
) -> None:
    path = tmp_path / "set.parquet"
    learned.frame.to_parquet(path)
    predictor = predictors[Model.REMAINING_TIME]

    rows = read_training_set(loaded(predictor, str(path)))

    pd.testing.assert_frame_equal(predictor.predict(rows), predictor.predict(learned.frame))


def test_missing_training_set_is_named(predictors: dict[Model, Predictor], tmp_path: Path) -> None:
    predictor: Any = predictors[Model.DELAY_RISK]
    with pytest.raises(MonitoringError, match=r"does not say what version 4 of delay_risk"):
        read_training_set(loaded(predictor, ""))
    with pytest.raises(MonitoringError, match=r"gone\.parquet of version 4 .* cannot be read"):
        read_training_set(loaded(predictor, str(tmp_path / "gone.parquet")))
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    with pytest.raises(MonitoringError, match=r"torn\.parquet .* cannot be read"):
        read_training_set(loaded(predictor, str(tmp_path / "torn.parquet")))


def test_period_without_rows_is_said(
    learned: TrainingSet, predictors: dict[Model, Predictor]
) -> None:
    only = learned.frame[learned.frame["part"] == "train"]
    with pytest.raises(TrainingError, match="has no test row"):
        training_and_later(only, predictors[Model.REMAINING_TIME])
