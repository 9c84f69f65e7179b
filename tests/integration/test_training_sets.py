"""From a recorded company to what the models of running workflows learn from."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from pipelines.contracts import Model
from pipelines.features.history import read_history
from pipelines.history.company import simulate_company
from pipelines.jobs.extraction import extract_interval
from pipelines.jobs.features import compute_views
from pipelines.jobs.training_sets import make_training_set
from pipelines.learning.training_set import TrainingSet
from pipelines.settings import Settings
from pipelines.source.imports import load_simulated
from pipelines.source.moments import past_moment
from pipelines.store.repo import apply

pytestmark = pytest.mark.integration


@pytest.fixture
def until(settings: Settings, database: Engine, tmp_path: Path) -> datetime:
    """A moment at which much is running, with the features as they were then."""
    load_simulated(database, simulate_company(tmp_path, task_count=3_000, seed=2), "a company")
    moment = past_moment(database, 0.7)
    extract_interval(settings, None, moment)
    compute_views(settings, moment.isoformat())
    apply(settings)
    return moment


def _without_end(learned_from: TrainingSet, ended: set[str]) -> np.ndarray:
    return ~learned_from.frame["workflow_id"].isin(ended).to_numpy()


def test_what_is_overdue_is_learned_from_before_it_has_ended(
    settings: Settings, until: datetime
) -> None:
    closures = read_history(settings.lake, until).workflow_closures.to_pandas()
    ended = set(closures["workflow_id"])
    learned_from = make_training_set(settings, Model.DELAY_RISK, until, 0, 50_000)

    frame = learned_from.frame
    without_end = _without_end(learned_from, ended)
    assert without_end.any()
    assert frame.loc[without_end, "is_late"].all()
    assert (frame["label_known_at"] < until).all()
    is_train = frame["part"] == "train"
    assert (frame.loc[is_train, "label_known_at"] < learned_from.split.test_start).all()
    # The limits go with the model, and say of every row what its label says.
    limits = learned_from.late_limits
    assert limits is not None
    overdue_s = limits.overdue_s(*(frame[name] for name in limits.columns))
    assert (overdue_s > 0).tolist() == frame["is_overdue"].tolist()
    assert 0 < frame["is_overdue"].mean() < 0.5

    of_ends = make_training_set(settings, Model.REMAINING_TIME, until, 0, 50_000)
    assert not _without_end(of_ends, ended).any()
    assert of_ends.late_limits is None
