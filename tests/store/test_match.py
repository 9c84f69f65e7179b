"""Latest events per question against a loop over all rows, in every plan and for any times."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.match import NEVER, Questions, Rows, latest_events

PLANS = {"look rows up": 0.0, "sort rows": math.inf, "chosen": 16.0}
# The widest times leave room for one key at a time in 64 bits, the others for some or for all.
SCALES = [1, 2**40, 2**59]


def ints(values) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def by_loop(questions, rows, *, is_late: bool) -> list[int]:
    return [
        max(
            (event for row_key, event, visible in rows if row_key == key and visible <= moment)
            if is_late
            else (event for row_key, event, _ in rows if row_key == key and event <= moment),
            default=NEVER,
        )
        for key, moment in questions
    ]


times = st.integers(-12, 15)
keys = st.integers(3, 9)
cases = st.tuples(
    st.lists(st.tuples(keys, times), min_size=1, max_size=12).map(sorted),
    st.lists(st.tuples(keys, times, st.integers(0, 3)), max_size=40),
    st.sampled_from(SCALES),
    st.booleans(),
    st.integers(1, 4),
)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_answers_are_the_loops(case):
    asked, written, scale, is_late, batch_count = case
    asked = [(key, moment * scale) for key, moment in asked]
    written = [(k, event * scale, (event + late) * scale) for k, event, late in written]
    asked_keys = {key for key, _ in asked}
    written = [row for row in written if row[0] in asked_keys and row[2] < 2**63]
    questions = Questions(*(ints(column) for column in zip(*asked, strict=True)))
    batches = []
    for number in range(batch_count):
        part = written[number::batch_count]
        columns = [ints([row[i] for row in part]) for i in range(3)]
        batches.append(Rows(columns[0], columns[1], columns[2] if is_late else None))
    expected = by_loop(asked, written, is_late=is_late)
    for plan, rows_per_question in PLANS.items():
        found = latest_events(questions, batches, threads=2, rows_per_question=rows_per_question)
        assert found.tolist() == expected, plan


@pytest.mark.parametrize("is_late", [True, False])
def test_many_batches_of_many_rows(is_late):
    rng = np.random.default_rng(7)
    written = [
        (rng.integers(0, 20, 3_000), rng.integers(0, 10**6, 3_000), rng.integers(0, 10**5, 3_000))
        for _ in range(20)
    ]
    batches = [Rows(k, e, e + late if is_late else None) for k, e, late in written]
    keys, events, lates = (np.concatenate(parts) for parts in zip(*written, strict=True))
    asked = sorted(zip([*range(20)] * 3, rng.integers(0, 10**6, 60), strict=True))
    questions = Questions(*(ints(column) for column in zip(*asked, strict=True)))
    seen_from = events + lates if is_late else events
    expected = [
        int(events[(keys == key) & (seen_from <= moment)].max(initial=NEVER))
        for key, moment in asked
    ]
    for plan, rows_per_question in PLANS.items():
        found = latest_events(questions, batches, threads=2, rows_per_question=rows_per_question)
        assert found.tolist() == expected, plan


def test_no_rows_are_never_seen():
    questions = Questions(ints([1, 2]), ints([5, 6]))
    assert latest_events(questions, [], threads=1).tolist() == [NEVER, NEVER]
    empty = Rows(ints([]), ints([]), ints([]))
    assert latest_events(questions, [empty], threads=1).tolist() == [NEVER, NEVER]
