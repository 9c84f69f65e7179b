"""Where what is known of tasks comes from, and what is said of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS
from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON
from pipelines.store.online_rows import ViewRows
from pipelines.store.task_rows import TaskQuestion, task_rows
from serving.features import Fallback
from serving.problems import FeaturesAwayError
from serving.task_features import TaskFeatures

NOW = datetime(2024, 5, 1, tzinfo=UTC)
COPIED = NOW - timedelta(hours=1)
QUESTIONS = [TaskQuestion("w1", "check", "ann", None), TaskQuestion("w1", "pay", None, "desk")]


class Store:
    """An online store in which nothing is known, and which may break when it is asked."""

    def __init__(self, missing: str | None = None, *, breaks: bool = False) -> None:
        self.missing, self._breaks = missing, breaks
        self.asked_count = 0
        self.holds = True

    def require_content(self) -> None:
        if not self.holds:
            raise FeatureStoreError("the online store holds no features")

    def lookup(self, keys: Mapping[FeatureView, Sequence[Any]], _: Any) -> dict[Any, ViewRows]:
        self.asked_count += 1
        if self._breaks:
            raise FeatureStoreError("it broke")
        return {name: ViewRows(VIEWS[name], [None] * len(of)) for name, of in keys.items()}


class Copy:
    """A copy of the lake, if there is one."""

    def __init__(self, *, is_there: bool = True) -> None:
        self._is_there = is_there

    def read_tasks(self, questions: Sequence[TaskQuestion]) -> Fallback | None:
        rows = task_rows(Store(), questions, COPIED)
        return Fallback(rows, COPIED, is_partial=False) if self._is_there else None


def test_the_online_store_is_asked_first() -> None:
    read = TaskFeatures(store := Store(), store, Copy()).read(QUESTIONS, NOW)
    assert read.degraded_because is None
    assert read.rows.columns["as_of"] == [NOW, NOW]
    assert read.rows.columns[TASK_ACTIVITY] == ["check", "pay"]
    assert read.rows.columns[TASK_PERSON] == ["ann", None]


@pytest.mark.parametrize(("store", "asked_count"), [(Store("gone"), 0), (Store(breaks=True), 1)])
def test_without_it_the_copy_answers_as_of_its_moment(store: Store, asked_count: int) -> None:
    read = TaskFeatures(store, store, Copy()).read(QUESTIONS, NOW)
    assert store.asked_count == asked_count  # only the probe waits for a store that is away
    assert read.degraded_because is not None
    assert "features from the lake, as known at 2024-04-30T23:00:00" in read.degraded_because
    assert read.rows.columns["as_of"] == [COPIED, COPIED]
    assert read.rows.columns[TASK_PERSON] == ["ann", None]


def test_a_store_that_has_lost_everything_is_no_store() -> None:
    store = Store()
    assert TaskFeatures(store, store, Copy()).read(QUESTIONS, NOW).degraded_because is None
    store.holds = False
    read = TaskFeatures(store, store, Copy()).read(QUESTIONS, NOW)
    assert str(read.degraded_because).startswith("the online store has no answer: ")
    with pytest.raises(FeaturesAwayError, match="the online store holds no features"):
        TaskFeatures(store, store, Copy(is_there=False)).read(QUESTIONS, NOW)


@pytest.mark.parametrize("store", [Store("gone"), Store("", breaks=True)])
def test_without_both_it_is_said_why(store: Store) -> None:
    with pytest.raises(FeaturesAwayError, match="Features of tasks cannot be read: "):
        TaskFeatures(store, store, Copy(is_there=False)).read(QUESTIONS, NOW)
