from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.errors import RegistryError
from pipelines.features.request_time import add_request_time
from pipelines.learning.predictor import Predictor
from pipelines.registry.sample import SAMPLE_FILE, Sample, read_sample, write_sample
from serving.checks import CheckFailedError, require_columns, require_same_answers, version_check
from serving.models import Candidate
from tests.serving.made_rows import feature_row, frame_of


@pytest.fixture(params=list(WORKFLOW_MODELS))
def predictor(request: pytest.FixtureRequest, predictors: dict[Model, Predictor]) -> Predictor:
    return predictors[request.param]


@pytest.fixture
def sample(predictor: Predictor, tmp_path: Path) -> Sample:
    rows = [
        feature_row("WF-1"),
        feature_row("WF-2", workflow_progress__rework_count=None, workflow_progress__due_at=None),
        feature_row("WF-3", workflow_progress__last_activity=None),
    ]
    frame = add_request_time(frame_of(rows))[predictor.input_columns]
    write_sample(tmp_path, frame, predictor.predict(frame))
    sample = read_sample(tmp_path)
    assert sample is not None
    return sample


def candidate(predictor: Predictor, sample: Sample | None) -> Candidate:
    return Candidate("1", "run", predictor, sample)


def test_a_version_answers_its_sample_as_it_did(predictor: Predictor, sample: Sample) -> None:
    check = version_check(lambda _: set(predictor.input_columns))

    check(predictor.model, candidate(predictor, sample))

    assert len(sample.answers) == 3
    assert list(sample.frame.columns) == predictor.input_columns


def test_another_answer_is_refused(predictor: Predictor, sample: Sample) -> None:
    answers = sample.answers.copy()
    name = answers.columns[0]
    answers.loc[1, name] += 1e-3 * max(1.0, answers.loc[1, name])

    with pytest.raises(CheckFailedError, match=f"row 1 of its sample: {name} is"):
        require_same_answers(predictor, replace(sample, answers=answers))


def test_other_figures_are_refused(predictor: Predictor, sample: Sample) -> None:
    with pytest.raises(CheckFailedError, match=r"it answers .*, not .*more"):
        require_same_answers(predictor, replace(sample, answers=sample.answers.assign(more=1.0)))


def test_fewer_answers_are_refused(predictor: Predictor, sample: Sample) -> None:
    with pytest.raises(CheckFailedError, match="it answers 3 rows to its sample, not 2"):
        require_same_answers(predictor, replace(sample, answers=sample.answers.head(2)))


def test_the_way_of_a_single_row_is_checked_too(predictor: Predictor, sample: Sample) -> None:
    rows = [{**row, "workflow_progress__rework_count": 6} for row in sample.rows]

    with pytest.raises(CheckFailedError, match="of its sample"):
        require_same_answers(predictor, replace(sample, rows=rows))


def test_inputs_nobody_gives_are_refused(predictor: Predictor) -> None:
    known = set(predictor.input_columns) - {"workflow_progress__rework_count"}

    with pytest.raises(CheckFailedError, match=r"inputs workflow_progress__rework_count are nei"):
        require_columns(predictor, known)


def test_whatever_a_version_throws_is_a_failed_check(predictor: Predictor) -> None:
    broken = replace(predictor, scores={})
    check = version_check(lambda _: set(predictor.input_columns))

    with pytest.raises(CheckFailedError, match="KeyError"):
        check(predictor.model, candidate(broken, None))


def test_a_version_without_a_sample_may_answer(predictor: Predictor, tmp_path: Path) -> None:
    assert read_sample(tmp_path) is None
    check = version_check(lambda _: set(predictor.input_columns))
    check(predictor.model, candidate(predictor, None))


def test_a_damaged_sample_is_said(tmp_path: Path) -> None:
    (tmp_path / SAMPLE_FILE).write_bytes(b"PAR1")
    with pytest.raises(RegistryError, match="cannot be read"):
        read_sample(tmp_path)


def test_types_survive(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None], "Int64"),
            "flag": pd.array([None, True], "boolean"),
            "at": pd.to_datetime(["2020-01-01", None], utc=True).astype("datetime64[us, UTC]"),
            "text": ["a", None],
            "empty": [None, None],
        },
        index=[7, 9],
    )
    write_sample(tmp_path, frame, pd.DataFrame({"x": [1.0, 2.0]}, index=[7, 9]))

    sample = read_sample(tmp_path)
    assert sample is not None
    pd.testing.assert_frame_equal(sample.frame, frame.reset_index(drop=True))
    assert sample.rows[1] == {"count": None, "flag": True, "at": None, "text": None, "empty": None}
    assert sample.answers.to_dict("list") == {"x": [1.0, 2.0]}
