"""Compile what an interval reads of the lake before its program runs: the program's `Reading`."""

from dataclasses import replace
from typing import Final

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pipelines.contracts import HistoryTable
from pipelines.features.carry import DAILY_EVENTS, UNSETTLED_EVENTS, added_up, looked_for
from pipelines.features.facts import COMPLETIONS
from pipelines.features.history import SCHEMAS, History, activity_names, attribute_names
from pipelines.features.interval import restricted, workflows_of
from pipelines.features.program import (
    ACTIVITY_NAMES,
    ATTRIBUTE_NAMES,
    BEFORE,
    HISTORY,
    NEW,
    OLDER,
    PART,
    Reading,
)
from pipelines.features.scratch import creation
from pipelines.features.write import Dataset


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.int64))  # type: ignore[untyped-decorator]
def _day(variable: str) -> None:
    """Return a variable of the connection (DuckDB's own function)."""


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.Timestamp("UTC")))  # type: ignore[untyped-decorator]
def _moment(variable: str) -> None:
    """Return a variable of the connection (DuckDB's own function)."""


# The interval, and the UTC days since 1970 in which its two ends lie.
SINCE: Final = _moment("since")
UNTIL: Final = _moment("until")
FIRST_DAY: Final = _day("first_day")
NEXT_DAY: Final = _day("next_day")


class Statements(list[str]):
    """Statements in the order in which they were compiled."""

    def __init__(self) -> None:
        super().__init__()
        self._connection = Backend()

    def place(self, name: str, table: ir.Table) -> ir.Table:
        """Add the one that makes a table of this name."""
        self.append(creation(name, self.query(table)))
        return ibis.table(table.schema(), name=name)

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        """Add the one that makes a table of such a name."""
        return self.place(f"{name}_{len(self)}", table)

    def query(self, table: ir.Table) -> str:
        """Compile an expression."""
        compiled: str = self._connection.compile(table)
        return compiled


class Read:
    """The reading, and the tables that are there after it.

    `history` is what was recorded before the interval's end; `part` what of it belongs to the
    workflows that are touched or not settled; `touched` has the workflow_id of those of which
    something was recorded in the interval; `before` what was handed on, by its name, and
    `daily_events` what became of them.
    """

    def __init__(self) -> None:
        self.history = _recorded_before(UNTIL)
        self._older = _recorded_before(SINCE)
        self._reading = Statements()
        search = Statements()
        wanted = looked_for(self._older, older_rows(COMPLETIONS), FIRST_DAY)
        self.before = {name: search.place(f"{BEFORE}{name}", wanted[name]) for name in wanted}
        new = self._placed(
            NEW, self.history.each(lambda rows: rows.filter(rows.recorded_at >= SINCE))
        )
        self.touched = self._reading.place("touched", workflows_of(new))
        self.part = self._placed(PART, self._part(new))
        events = self.part.task_events
        self._reading.place(ACTIVITY_NAMES, activity_names(events))
        self._reading.place(ATTRIBUTE_NAMES, attribute_names(events))
        daily = added_up(self.before, new.task_events)
        self.daily_events = self._reading.place(DAILY_EVENTS, daily)
        self.reading = Reading(dict(zip(wanted, search, strict=True)), tuple(self._reading))

    def _part(self, new: History) -> History:
        """Choose what was recorded of the touched and the unsettled workflows."""
        place, touched = self._reading.place, self.touched
        unsettled, events = self.before[UNSETTLED_EVENTS], self._older.task_events
        reopened = place("reopened", touched.anti_join(unsettled, "workflow_id"))
        first_at = events.semi_join(reopened, "workflow_id").recorded_at.min().coalesce(SINCE)
        first = place("first_recording", first_at.name("first_at").as_table())
        # Leaves out the files that hold none of them: mostly all, for most of them are new.
        near = events.filter(events.recorded_at >= first.first_at.min().as_scalar())
        near = near.semi_join(reopened, "workflow_id")
        ids = unsettled.select("workflow_id").union(touched).distinct()
        part = restricted(self.history, place("chosen", ids))
        return replace(part, task_events=ibis.union(unsettled, near, new.task_events))

    def _placed(self, prefix: str, history: History) -> History:
        return History(
            *(
                self._reading.place(f"{prefix}{name.value}", table)
                for name, table in zip(HistoryTable, history.tables, strict=True)
            )
        )


def compile_reading() -> Reading:
    """Compile what every program begins with."""
    return Read().reading


def older_rows(dataset: Dataset) -> ir.Table:
    """Return a fact's rows recorded before the interval."""
    rows = _table(OLDER, dataset.name, dataset.schema)
    return rows.filter(rows.recorded_at < SINCE)


def _table(prefix: str, name: str, schema: pa.Schema) -> ir.Table:
    # Types without "not null": what DuckDB reads may always be null.
    types = ibis.schema({field.name: field.type for field in schema})
    return ibis.table(types, name=f"{prefix}{name}")


def _recorded_before(end: ir.TimestampScalar) -> History:
    history = History(*(_table(HISTORY, name.value, SCHEMAS[name]) for name in HistoryTable))
    return history.each(lambda rows: rows.filter(rows.recorded_at < end))
