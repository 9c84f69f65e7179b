from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.fit import fit_next_activity
from pipelines.learning.next_activity.model import NextActivityModel
from pipelines.learning.next_activity.prefixes import END, prefix_features
from tests.learning.next_activity.events import ends_after, make_events

TRAINED = 150


def fitted(events: pd.DataFrame, seed: int = 0) -> NextActivityModel:
    return fit_next_activity(events, (events["workflow_id"] >= "w0110").to_numpy(), seed)


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    return make_events(TRAINED + 60)


@pytest.fixture(scope="module")
def known(events: pd.DataFrame) -> pd.DataFrame:
    return events[events["workflow_id"] < f"w{TRAINED:04d}"]


@pytest.fixture(scope="module")
def later(events: pd.DataFrame) -> pd.DataFrame:
    return events[events["workflow_id"] >= f"w{TRAINED:04d}"].reset_index(drop=True)


@pytest.fixture(scope="module")
def model(known: pd.DataFrame) -> NextActivityModel:
    return fitted(known)


def test_the_amount_and_the_first_activity_tell_what_no_trigram_can(
    model: NextActivityModel, later: pd.DataFrame
) -> None:
    informed = later[later["activity"].eq("inform").groupby(later["workflow_id"]).cumsum() == 0]
    informed = pd.concat([informed, later[later["activity"] == "inform"]]).sort_index()
    answers = model.predict(informed, count=1).set_index("workflow_id")["activity"]
    is_registered = later.groupby("workflow_id")["activity"].first() == "register"
    expected = is_registered.map({True: "archive", False: END})
    assert (answers == expected[answers.index]).all()


def test_the_likeliest_come_first(model: NextActivityModel, later: pd.DataFrame) -> None:
    answers = model.predict(ends_after(later, 2), count=2)
    assert answers["workflow_id"].tolist() == np.repeat(later["workflow_id"].unique(), 2).tolist()
    assert answers["rank"].tolist() == [1, 2] * later["workflow_id"].nunique()
    first, second = (answers.loc[answers["rank"] == rank, "probability"] for rank in (1, 2))
    assert (first.to_numpy() >= second.to_numpy()).all()
    assert (answers.loc[answers["rank"] == 1, "activity"] == "check").all()


def test_shares_sum_to_one_and_an_unknown_activity_or_person_is_answered(
    model: NextActivityModel, later: pd.DataFrame
) -> None:
    unknown = later.assign(activity="never seen", person_id="nobody", workflow_attributes="{}")
    shares = model.probabilities(prefix_features(unknown))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.shape == (len(later), len(model.vocabulary.classes))


def test_the_same_seed_gives_the_same_model_and_what_is_saved_answers_the_same(
    model: NextActivityModel, known: pd.DataFrame, later: pd.DataFrame, tmp_path: Path
) -> None:
    features = prefix_features(later)
    answer = model.probabilities(features)
    np.testing.assert_array_equal(fitted(known).probabilities(features), answer)
    model.save(tmp_path / "model")
    loaded = NextActivityModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.probabilities(features), answer)
    assert loaded.facts == model.facts
    assert not np.array_equal(fitted(known, seed=1).probabilities(features), answer)


def test_what_cannot_be_learned_or_read_is_refused(tmp_path: Path, known: pd.DataFrame) -> None:
    with pytest.raises(TrainingError, match="0 events to validate on"):
        fit_next_activity(known, np.zeros(len(known), dtype=bool))
    with pytest.raises(TrainingError, match="rename it"):
        fitted(known.assign(activity=known["activity"].replace("inform", END)))
    with pytest.raises(TrainingError, match="Cannot read a next-activity model"):
        NextActivityModel.load(tmp_path)
