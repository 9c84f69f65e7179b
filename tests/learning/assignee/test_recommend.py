from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.recommend import recommend, replay
from tests.learning.assignee.office import START, event_row

_NOW_H = 160.0
_NOW = START + pd.Timedelta(hours=_NOW_H)


def with_event(events: pd.DataFrame, activity: str, person_id: str) -> pd.DataFrame:
    row = event_row("asked", activity, person_id, _NOW_H)
    return pd.concat([events, pd.DataFrame([row])], ignore_index=True)


def ask(
    ranker: Ranker, events: pd.DataFrame, as_of: pd.Timestamp = _NOW, **options: Any
) -> pd.DataFrame:
    return recommend(ranker, replay(events, as_of), "asked", **options)


def test_specialists_of_the_kind_come_first(events: pd.DataFrame, ranker: Ranker) -> None:
    ranked = ask(ranker, with_event(events, "open claim", "ann"))
    assert set(ranked["person_id"][:2]) == {"eva", "fay"}
    assert "ann" not in set(ranked["person_id"])
    assert ranked["score"].is_monotonic_decreasing
    ranked = ask(ranker, with_event(events, "open claim", "ann"), excluded=["eva"])
    assert ranked["person_id"][0] == "fay"
    assert "eva" not in set(ranked["person_id"])


def test_the_future_moves_no_answer(events: pd.DataFrame, ranker: Ranker) -> None:
    asked = with_event(events, "open loan", "bob")
    rows = [event_row("asked", "check", "new", 161), event_row("x", "open loan", "eva", 162)]
    later = pd.concat([asked, pd.DataFrame(rows)], ignore_index=True)
    pd.testing.assert_frame_equal(ask(ranker, asked), ask(ranker, later))


def test_a_new_activity_goes_to_people_who_are_there(events: pd.DataFrame, ranker: Ranker) -> None:
    ranked = ask(ranker, with_event(events, "never seen", "ann"))
    assert set(ranked["person_id"]) == {"bob", "cem", "dee", "eva", "fay"}
    assert ranked["score"].notna().all()
    assert np.ptp(ranked["score"]) > 0


def test_new_people_are_ranked_behind_the_experienced(events: pd.DataFrame, ranker: Ranker) -> None:
    asked = with_event(events, "open claim", "ann")
    roster = ["zoe", "eva", "fay", "ann"]
    ranked = ask(ranker, asked, roster=roster)
    assert set(ranked["person_id"][:2]) == {"eva", "fay"}
    assert ranked["person_id"][2] == "zoe"
    assert ranked["is_known"].tolist() == [True, True, False]
    only_new = ask(ranker, asked, roster=["zoe", "yan"])
    assert only_new["person_id"].tolist() == ["yan", "zoe"]
    assert np.ptp(only_new["score"]) == 0


def test_load_moves_work_to_the_free(events: pd.DataFrame, ranker: Ranker) -> None:
    asked = with_event(events, "open claim", "ann")
    usual = ask(ranker, asked)
    shared = ask(ranker, asked, load_strength=100.0)
    loaded = usual["held_workflow_count"].idxmax()
    assert usual["held_workflow_count"][loaded] > 1.5 * usual["held_workflow_count"].mean()
    assert shared["person_id"].iloc[-1] == usual["person_id"][loaded]
    free = usual["held_workflow_count"] <= usual["held_workflow_count"].mean()
    kept = usual[free]["person_id"].tolist()
    assert shared["person_id"].tolist()[: len(kept)] == kept


def test_nobody_left_gives_an_empty_answer(events: pd.DataFrame, ranker: Ranker) -> None:
    asked = with_event(events, "open claim", "ann")
    assert ask(ranker, asked, roster=["ann"]).empty


def test_a_workflow_without_events_is_refused(events: pd.DataFrame, ranker: Ranker) -> None:
    with pytest.raises(TrainingError, match="'asked' has no event by 2024-01-01"):
        ask(ranker, with_event(events, "open claim", "ann"), START)
