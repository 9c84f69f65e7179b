"""Raw text rows to LOG_ROWS: check every value, refuse the rows that cannot be right."""

from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import Transition
from pipelines.history.attributes import attributes_json
from pipelines.history.mapping import Kind, Mapping
from pipelines.history.moments import parse_moments
from pipelines.history.raw_rows import RawChunk
from pipelines.history.rejections import Reason, RejectedRow
from pipelines.history.schema import LOG_ROWS, TIMESTAMP

# Longer ids would not fit a B-tree page of PostgreSQL once a task's id joins three of them.
LONGEST_ID_BYTES: Final = 255


def shape_rows(
    chunk: RawChunk, mapping: Mapping, now: datetime
) -> tuple[pa.Table, list[RejectedRow]]:
    """Return the chunk's good rows as LOG_ROWS, and one refusal for each other row.

    Where a row is a whole task (`start_timestamp` mapped), it becomes a started and a
    completed row of the same number; one without a start becomes a completed row.

    Args:
        chunk: rows as text, by column of the log.
        mapping: what the columns mean.
        now: later times (by more than a day) are impossible.
    """
    return _Shaper(chunk, mapping, now).shape()


class _Shaper:
    def __init__(self, chunk: RawChunk, mapping: Mapping, now: datetime) -> None:
        self._mapping = mapping
        self._now = now
        self._numbers = chunk.row_numbers
        self._length = len(chunk.row_numbers)
        self._is_bad = np.zeros(self._length, dtype=bool)
        self._rejected = list(chunk.rejected)
        missing = pa.array(["", *mapping.reading.missing_values], pa.string())
        self._texts = {
            name: _without_missing(values, missing) for name, values in chunk.columns.items()
        }

    def shape(self) -> tuple[pa.Table, list[RejectedRow]]:
        columns, mapping = self._mapping.columns, self._mapping
        keys = {
            "workflow_id": self._key(columns.workflow),
            "activity": self._key(columns.activity),
            **{
                field: self._id(column)
                for field, column in (
                    ("task_id", columns.task),
                    ("person_id", columns.person),
                    ("team_id", columns.team),
                    ("template_id", columns.template),
                    ("client_id", columns.client),
                    ("priority", columns.priority),
                    ("outcome", columns.outcome),
                )
            },
        }
        occurred_at = self._required_moments(columns.timestamp)
        started_at = self._moments(columns.start_timestamp)
        self._refuse(
            np.asarray(started_at > occurred_at),
            columns.start_timestamp,
            Reason.COMPLETION_BEFORE_START,
        )
        recorded_at = self._moments(columns.recorded)
        self._refuse(
            np.asarray(recorded_at < occurred_at), columns.recorded, Reason.RECORDED_TOO_EARLY
        )
        rows = {
            **keys,
            "transition": self._transitions(columns.transition),
            "task_due_at": _timestamps(self._due(columns.task_due)),
            "workflow_due_at": _timestamps(self._due(columns.workflow_due)),
            "task_attributes": self._attributes(mapping.task_attributes),
            "workflow_attributes": self._attributes(mapping.workflow_attributes),
            "row_number": pa.array(self._numbers, pa.int64()),
        }
        table = self._table(rows, started_at, occurred_at, recorded_at)
        return table, sorted(self._rejected)

    def _table(
        self,
        rows: dict[str, pa.Array],
        started_at: pd.DatetimeIndex,
        occurred_at: pd.DatetimeIndex,
        recorded_at: pd.DatetimeIndex,
    ) -> pa.Table:
        def with_times(times: pd.DatetimeIndex, keep: np.ndarray, **other: pa.Array) -> pa.Table:
            recorded = recorded_at.where(recorded_at.notna(), times)
            filled = rows | other
            filled |= {"occurred_at": _timestamps(times), "recorded_at": _timestamps(recorded)}
            ordered = [filled[name] for name in LOG_ROWS.names]
            return pa.table(ordered, names=LOG_ROWS.names).filter(pa.array(keep))

        good = with_times(occurred_at, ~self._is_bad)
        if self._mapping.columns.start_timestamp is not None:
            words = pa.array([Transition.STARTED.value] * self._length, pa.string())
            keep = ~self._is_bad & np.asarray(started_at.notna())
            starts = with_times(started_at, keep, transition=words)
            both = pa.concat_tables([starts, good])
            good = both.take(pc.sort_indices(both, [("row_number", "ascending")]))
        return good.cast(LOG_ROWS)

    def _refuse(
        self,
        is_bad: np.ndarray,
        column: str | None,
        reason: Reason,
    ) -> None:
        """Refuse the rows that have not been refused for another reason before."""
        texts = self._texts.get(column or "")
        for place in np.flatnonzero(is_bad & ~self._is_bad):
            value = None if texts is None else texts[int(place)].as_py()
            self._rejected.append(RejectedRow(self._numbers[place], column, value, reason))
        self._is_bad |= is_bad

    def _text(self, column: str | None) -> pa.StringArray:
        texts = self._texts.get(column or "")
        return pa.nulls(self._length, pa.string()) if texts is None else texts

    def _id(self, column: str | None) -> pa.StringArray:
        texts = self._text(column)
        is_long = pc.greater(pc.binary_length(texts), LONGEST_ID_BYTES).fill_null(False)  # noqa: FBT003
        self._refuse(_mask(is_long), column, Reason.TOO_LONG)
        return texts

    def _key(self, column: str) -> pa.StringArray:
        self._refuse(_mask(self._text(column).is_null()), column, Reason.MISSING_KEY)
        return self._id(column)

    def _moments(self, column: str | None) -> pd.DatetimeIndex:
        return self._instants(column, self._now)

    def _due(self, column: str | None) -> pd.DatetimeIndex:
        return self._instants(column, None)

    def _instants(self, column: str | None, now: datetime | None) -> pd.DatetimeIndex:
        moments = parse_moments(self._text(column), self._mapping.reading, now)
        self._refuse(moments.is_unparsable, column, Reason.UNPARSABLE_TIME)
        self._refuse(moments.is_impossible, column, Reason.IMPOSSIBLE_TIME)
        return moments.instants

    def _required_moments(self, column: str) -> pd.DatetimeIndex:
        self._refuse(_mask(self._text(column).is_null()), column, Reason.MISSING_KEY)
        return self._moments(column)

    def _transitions(self, column: str | None) -> pa.StringArray:
        """Return our words for the log's; a log that says none tells completions."""
        completed = Transition.COMPLETED.value
        encoded = self._text(column).dictionary_encode()
        words = self._mapping.transition_words
        known = [words.get(text.lower()) for text in encoded.dictionary.to_pylist()]
        unknown = pa.array([word is None for word in known], pa.bool_()).take(encoded.indices)
        self._refuse(_mask(unknown.fill_null(False)), column, Reason.UNKNOWN_TRANSITION)  # noqa: FBT003
        ours = pa.array([word.value if word else None for word in known], pa.string())
        return ours.take(encoded.indices).fill_null(completed)

    def _attributes(self, kinds: dict[str, Kind]) -> pa.StringArray:
        texts, faults = attributes_json(self._texts, kinds, self._length)
        for fault in faults:
            self._refuse(_mask(fault.is_bad), fault.column, fault.reason)
        return texts


def _without_missing(values: list[str | None], missing: pa.Array) -> pa.StringArray:
    texts = pc.utf8_trim_whitespace(pa.array(values, pa.string()))
    return pc.if_else(pc.is_in(texts, value_set=missing), None, texts)


def _mask(values: pa.BooleanArray) -> np.ndarray:
    return np.asarray(values, dtype=bool)


def _timestamps(moments: pd.DatetimeIndex) -> pa.TimestampArray:
    return pa.array(moments.as_unit("us"), TIMESTAMP)
