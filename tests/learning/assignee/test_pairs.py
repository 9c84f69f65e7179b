import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.assignee.coded_log import CodedLog, code_log
from pipelines.learning.assignee.pairs import Pairs, make_pairs
from tests.learning.assignee.office import event_row, office_events

_TOLD = 300  # events that stay as they are


def asked_before(events: pd.DataFrame, limit: int) -> Pairs:
    log = code_log(events)
    return make_pairs(log, log.is_handover & (np.arange(len(log.events)) < limit))


def test_the_future_moves_no_feature(events: pd.DataFrame) -> None:
    ordered = events.sort_values("as_of", kind="stable", ignore_index=True)
    later = ordered.index >= _TOLD
    changed = ordered.assign(
        person_id=ordered["person_id"].where(~later, [f"new {i % 9}" for i in ordered.index]),
        activity=ordered["activity"].where(~later, [f"act {i % 5}" for i in ordered.index]),
        as_of=ordered["as_of"] + pd.to_timedelta(np.where(later, 5_000, 0), unit="h"),
    )
    # The last workflows are cut off: whether they are handed over, and to whom, is the future.
    limit = _TOLD - 30
    before, after = asked_before(ordered, limit), asked_before(changed, limit)
    same = np.isin(before.position, after.position)
    assert same.all()
    assert same.sum() > 100
    assert before.names == after.names
    np.testing.assert_array_equal(before.candidate, after.candidate)
    np.testing.assert_array_equal(before.matrix, after.matrix)


def test_what_was_told_before_does_move_features(events: pd.DataFrame) -> None:
    ordered = events.sort_values("as_of", kind="stable", ignore_index=True)
    earlier = ordered.index < 1
    changed = ordered.assign(
        as_of=ordered["as_of"] - pd.to_timedelta(np.where(earlier, 1, 0), unit="h")
    )
    one, other = (asked_before(frame, _TOLD) for frame in (ordered, changed))
    assert np.array_equal(one.candidate, other.candidate)
    is_different = (one.matrix != other.matrix) & ~np.isnan(one.matrix)
    assert is_different[:, one.names.index("elapsed_s")].sum() == 1  # one candidate, one question
    assert is_different[:, one.names.index("event_30d_count")].sum() == 148


def test_who_is_present_or_not_met_yet_is_no_candidate(log: CodedLog, pairs: Pairs) -> None:
    begins = np.cumsum(pairs.size) - pairs.size
    for begin, size, position in zip(begins, pairs.size, pairs.position, strict=True):
        met = {event.person for event in log.events[: position + 1]}
        people = set(pairs.candidate[begin : begin + size].tolist())
        assert people == met - {log.events[position].person}
        assert pairs.label[begin : begin + size].sum() == (log.next_person[position] in met)


def test_the_same_log_gives_the_same_pairs(pairs: Pairs) -> None:
    log = code_log(office_events())
    np.testing.assert_array_equal(make_pairs(log, log.is_handover).matrix, pairs.matrix)


def test_work_in_the_workflow_is_counted() -> None:
    rows = [
        event_row("a", "open", "ann", 0),
        event_row("a", "check", "bob", 1),
        event_row("a", "open", "ann", 2),
        event_row("a", "pay", "cem", 3),
        event_row("a", "open", "bob", 4),
    ]
    log = code_log(pd.DataFrame(rows))
    last = make_pairs(log, np.arange(5) == 3)
    assert last.candidate.tolist() == [0, 1]
    assert last.column("workflow_event_count").tolist() == [2, 1]
    assert last.column("workflow_events_ago").tolist() == [2, 3]
    assert last.column("began_workflow").tolist() == [1, 0]
    assert last.column("since_last_event_s").tolist() == [3_600, 7_200]
    assert last.column("elapsed_s").tolist() == [10_800, 10_800]
    assert last.label.tolist() == [0, 1]


def test_nothing_to_ask_is_refused(log: CodedLog) -> None:
    with pytest.raises(TrainingError, match="No event to ask after"):
        make_pairs(log, np.zeros(len(log.events), dtype=bool))
