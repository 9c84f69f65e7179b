"""The benchmark of retraining, tiny, on real servers: every model is trained twice."""

import pytest

from pipelines.bench.retrain import measure_retraining
from pipelines.contracts import WORKFLOW_MODELS, Model

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_every_model_is_trained_alone_and_beside_others() -> None:
    told = []
    found = measure_retraining(
        2_000, 1, at_once=2, prefix_count=3_000, progress=lambda *step: told.append(step)
    )
    assert [one.model for one in found.trainings] == list(Model)
    assert {one.version for one in found.trainings} == {"1"}
    assert all(one.seconds > 0 and one.peak_mib > 100 for one in found.trainings)
    assert found.one_by_one_s == sum(one.seconds for one in found.trainings)
    assert found.together_s > 0
    assert set(found.prediction_s) == set(WORKFLOW_MODELS)
    assert all(seconds > 0 for seconds in found.prediction_s.values())
    assert all(done <= total for _, done, total in told)
