from dataclasses import replace

import numpy as np

from pipelines.contracts import Model
from pipelines.learning.boosting import BoostingParams
from pipelines.learning.predictor import Predictor
from pipelines.learning.split import Part
from pipelines.learning.train import TrainedModel, train
from pipelines.learning.training_set import TrainingSet, rows_of

_ACTIVITY, _TEMPLATE = "workflow_progress__last_activity", "workflow_progress__template_id"


def test_each_activity_has_margins_of_its_own(
    trained: dict[Model, TrainedModel], training_set: TrainingSet
) -> None:
    predictor = trained[Model.REMAINING_TIME].predictor
    fitted = predictor.fitted
    assert fitted["group_column"] == _ACTIVITY
    assert set(fitted["margins"]["of_group"]) <= {"register", "handle", "check"}

    rows = rows_of(training_set.frame, Part.TEST)
    margins = {"rest": [0.0, 0.0], "of_group": {"handle": [0.5, 1.0]}}
    plain = _with(predictor, margins | {"of_group": {}}).predict(rows)
    changed = _with(predictor, margins).predict(rows)
    of_group = (rows[_ACTIVITY] == "handle").to_numpy()
    assert changed[~of_group].equals(plain[~of_group])
    low, middle, high = (f"remaining_time_s{end}" for end in ("_p10", "", "_p90"))
    assert changed[middle].equals(plain[middle])

    # Where the boosters' quantiles cross, the median is the end.
    apart = of_group & (plain[low] < plain[middle]) & (plain[middle] < plain[high])
    assert apart.sum() > 20
    before, after = (np.log1p(answer[apart] / 3600) for answer in (plain, changed))
    np.testing.assert_allclose(after[high], before[high] + 1.0)
    np.testing.assert_allclose(after[low], np.maximum(before[low] - 0.5, 0))


def test_only_the_median_reads_the_loads_of_others(
    trained: dict[Model, TrainedModel],
) -> None:
    predictor = trained[Model.REMAINING_TIME].predictor
    position = predictor.encoder.names.index("team_load__open_task_count")
    splits = {
        name: int(booster.feature_importance("split")[position])
        for name, booster in predictor.boosters.items()
    }
    assert splits["p50"] > 10
    assert (splits["p10"], splits["p90"]) == (0, 0)


def test_several_templates_come_before_activities(training_set: TrainingSet) -> None:
    frame = training_set.frame
    kinds = frame["workflow_progress__workflow_attributes"].str.extract('"kind": "(.*?)"')[0]
    several = replace(training_set, frame=frame.assign(**{_TEMPLATE: kinds}))
    params = BoostingParams(max_rounds=60)
    predictor = train(Model.REMAINING_TIME, several, params, seed=7).predictor
    assert predictor.fitted["group_column"] == _TEMPLATE
    assert set(predictor.fitted["margins"]["of_group"]) <= {"quick", "slow"}


def _with(predictor: Predictor, margins: dict[str, object]) -> Predictor:
    return replace(predictor, fitted={**predictor.fitted, "margins": margins})
