"""Answer many questions "which event of this key was the latest to be seen at this moment?".

A feature row is seen from its visible time on. Among the rows seen, the latest event counts,
which is a maximum: rows may come in any order and in batches, each batch is answered alone, and
the answers' maximum is the answer. So the memory is that of a few batches, however many rows
there are, and batches are answered by all cores.

Within a batch, key and time become one integer, so that one comparison orders both. Then:

- mostly: sort the rows by visible time, take the running maximum of their events, and look each
  question up (rows of earlier keys are smaller); rows visible at once are sorted as they are;
- for few questions about rows that may be late: look each row up among the questions, keep each
  question's maximum, and take the running maximum of those. Nothing large is sorted.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

# From so many late rows for each question on, looking the rows up is faster than sorting them.
ROWS_PER_QUESTION: Final = 16

# Batches at a time: one reader feeds no more, and each takes memory.
_MOST_THREADS: Final = 4
_CELLS_PER_QUESTION: Final = 16
_LEAST_CELL_BITS: Final = 16

NEVER: Final = int(np.iinfo(np.int64).min)
"""The answer where no row is seen."""

_Integers = npt.NDArray[np.int64]
_Places = npt.NDArray[np.uint64]
_PLACES: Final = 2**64


@dataclass(frozen=True)
class Rows:
    """A batch of feature rows: numbers of keys, and times as integers of one unit.

    Without `visible`, a row is seen from its event on.
    """

    keys: _Integers
    events: _Integers
    visible: _Integers | None


@dataclass(frozen=True)
class Questions:
    """Keys and moments asked for, sorted by key and then by moment."""

    keys: _Integers
    moments: _Integers


def latest_events(
    questions: Questions,
    batches: Iterable[Rows],
    *,
    threads: int,
    rows_per_question: float = ROWS_PER_QUESTION,
) -> _Integers:
    """Return, for each question, the latest event seen at its moment, or NEVER.

    Args:
        questions: what to answer; the answers have their order.
        batches: rows of the keys asked for, in any order.
        threads: how many batches to answer at a time; a few more may wait.
        rows_per_question: see ROWS_PER_QUESTION; 0 looks up, infinity sorts.
    """
    latest = np.full(len(questions.keys), NEVER, dtype=np.int64)
    threads = min(threads, _MOST_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[_Integers]] = deque()
        for rows in batches:
            waiting.append(pool.submit(_latest_in_batch, questions, rows, rows_per_question))
            if len(waiting) > threads + 1:
                np.maximum(latest, waiting.popleft().result(), out=latest)
        for answers in waiting:
            np.maximum(latest, answers.result(), out=latest)
    return latest


def _latest_in_batch(questions: Questions, rows: Rows, rows_per_question: float) -> _Integers:
    if not len(rows.keys) or not len(questions.keys):
        return np.full(len(questions.keys), NEVER, dtype=np.int64)
    if rows.visible is not None and np.array_equal(rows.visible, rows.events):
        rows = replace(rows, visible=None)
    seen_from = rows.events if rows.visible is None else rows.visible
    first = min(int(rows.events.min()), int(questions.moments.min()))
    last = max(int(seen_from.max()), int(questions.moments.max()))
    # Place 0 of a key stays empty: it is "never".
    span = last - first + 2
    parts = [
        _latest_of_keys(asked, part, first, span, rows_per_question)
        for asked, part in _groups(questions, rows, _PLACES // span)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _groups(
    questions: Questions, rows: Rows, keys_at_once: int
) -> Iterator[tuple[Questions, Rows]]:
    """Split both by ranges of keys, so that no place is beyond 64 bits; mostly into one."""
    low, high = int(questions.keys[0]), int(questions.keys[-1]) + 1
    if high - low <= keys_at_once:
        yield questions, rows
        return
    order = np.argsort(rows.keys)
    keys, events = rows.keys[order], rows.events[order]
    visible = None if rows.visible is None else rows.visible[order]
    starts = np.arange(low, high, keys_at_once)
    asked = [*np.searchsorted(questions.keys, starts), len(questions.keys)]
    there = [*np.searchsorted(keys, starts), np.searchsorted(keys, high)]
    for number in range(len(starts)):
        q = slice(asked[number], asked[number + 1])
        r = slice(there[number], there[number + 1])
        if q.start < q.stop:
            part = Rows(keys[r], events[r], None if visible is None else visible[r])
            yield Questions(questions.keys[q], questions.moments[q]), part


def _latest_of_keys(
    questions: Questions, rows: Rows, first: int, span: int, rows_per_question: float
) -> _Integers:
    if not len(rows.keys):
        return np.full(len(questions.keys), NEVER, dtype=np.int64)
    low = int(questions.keys[0])
    keys = (questions.keys - low).astype(np.uint64) * np.uint64(span)
    asked = keys + _since(questions.moments, first)
    row_keys = (rows.keys - low).astype(np.uint64) * np.uint64(span)
    events = row_keys + _since(rows.events, first)
    seen_from = None if rows.visible is None else row_keys + _since(rows.visible, first)
    if seen_from is None:
        ordered = np.sort(events)
        best = _seen(asked, ordered, ordered)
    elif len(events) >= rows_per_question * len(asked):
        best = _by_looking_rows_up(asked, events, seen_from)
    else:
        order = np.argsort(seen_from)
        best = _seen(asked, seen_from[order], np.maximum.accumulate(events[order]))
    latest = (best - keys - np.uint64(1)).view(np.int64) + np.int64(first)
    latest[best <= keys] = NEVER  # a row of an earlier key, or none at all
    return latest


def _since(times: _Integers, first: int) -> _Places:
    # Two's complement: right even where the difference is beyond int64.
    return times.view(np.uint64) - np.uint64(first % _PLACES) + np.uint64(1)


def _by_looking_rows_up(asked: _Places, events: _Places, seen_from: _Places) -> _Places:
    best = np.zeros(len(asked) + 1, dtype=np.uint64)
    np.maximum.at(best, _first_to_see(asked, seen_from), events)
    return np.maximum.accumulate(best[:-1])


def _first_to_see(asked: _Places, seen_from: _Places) -> npt.NDArray[np.int32]:
    """Return `np.searchsorted(asked, seen_from)`, mostly without searching.

    The places are cut into cells of equal width, several for each question. In a cell without
    a question all rows have the same answer, which is noted once.
    """
    bits = max((_CELLS_PER_QUESTION * len(asked)).bit_length(), _LEAST_CELL_BITS)
    shift = np.uint64(max(int(asked[-1]).bit_length() - bits, 0))
    beyond = (asked[-1] >> shift) + np.uint64(1)
    edges = np.searchsorted(asked, np.arange(beyond, dtype=np.uint64) << shift)
    before = np.append(edges, [len(asked), len(asked)]).astype(np.int32)
    cells = np.minimum(seen_from >> shift, beyond).view(np.int64)
    first: npt.NDArray[np.int32] = before[cells]
    unsure = np.flatnonzero(before[1:][cells] != first)
    first[unsure] = np.searchsorted(asked, seen_from[unsure])
    return first


def _seen(asked: _Places, seen_from: _Places, latest: _Places) -> _Places:
    """Look up which of the sorted rows each question sees last."""
    count = np.searchsorted(seen_from, asked, side="right")
    found: _Places = latest[np.maximum(count, 1) - 1]
    found[count == 0] = 0
    return found
