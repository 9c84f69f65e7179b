"""Compile the program of an interval: from the views' expressions to DuckDB's SQL."""

from typing import Final

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit
from pipelines.features.compute import ViewComputer
from pipelines.features.day_close import daily_events
from pipelines.features.durations import with_due_dates
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import SCHEMAS, History, activity_names, attribute_names
from pipelines.features.interval import (
    recent_events,
    recent_facts,
    restricted,
    touched_workflows,
    unsettled_workflows,
)
from pipelines.features.program import (
    ACTIVITY_NAMES,
    ATTRIBUTE_NAMES,
    BEFORE,
    BEGUN,
    HISTORY,
    OLDER,
    PART,
    ROWS,
    UNSETTLED,
    Names,
    Program,
    Reading,
)
from pipelines.features.scratch import creation
from pipelines.features.timing import Span
from pipelines.features.views import VIEWS
from pipelines.features.write import Dataset, dataset_of, in_order, stored


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.int64))  # type: ignore[untyped-decorator]
def _day(variable: str) -> None:
    """Return a variable of the connection (DuckDB's own function)."""


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.Timestamp("UTC")))  # type: ignore[untyped-decorator]
def _moment(variable: str) -> None:
    """Return a variable of the connection (DuckDB's own function)."""


# The interval, and the UTC days since 1970 in which its two ends lie.
_SINCE: Final = _moment("since")
_UNTIL: Final = _moment("until")
_FIRST_DAY: Final = _day("first_day")
_NEXT_DAY: Final = _day("next_day")


class _Statements(list[str]):
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


class _Read:
    """The history, what of it the reading places, and the reading itself."""

    def __init__(self) -> None:
        self.history = History(*(_known(table) for table in HistoryTable))
        search = _Statements()
        search.place(BEFORE, unsettled_workflows(self.history, _FIRST_DAY))
        reading = _Statements()
        self.touched = reading.place("touched", touched_workflows(self.history, _SINCE))
        self.part = _part(self.history, self.touched, reading)
        reading.place(ACTIVITY_NAMES, activity_names(self.part.task_events))
        reading.place(ATTRIBUTE_NAMES, attribute_names(self.part.task_events))
        # Of the table itself: what two halves share would be read as a whole first.
        every = _table(HISTORY, HistoryTable.TASK_EVENTS.value, SCHEMAS[HistoryTable.TASK_EVENTS])
        recent = recent_events(every, _FIRST_DAY)
        recent = recent.filter(recent.recorded_at < _UNTIL)
        self.daily_events = reading.place("daily_events", daily_events(recent))
        self.reading = Reading(search[0], tuple(reading))


def compile_reading() -> Reading:
    """Compile what every program begins with."""
    return _Read().reading


def compile_program(names: Names, partition: PartitionUnit) -> Program:
    """Compile the program for partitions of this length and these names."""
    read = _Read()
    history, part = read.history, read.part
    statements = _Statements()
    rows: dict[str, str] = {}

    def add(dataset: Dataset, new: ir.Table) -> None:
        is_inside = (new[dataset.time] >= _SINCE) & (new[dataset.time] < _UNTIL)
        new = new.filter(is_inside).select(*dataset.schema.names)
        new = statements.place(f"{ROWS}{dataset.name}", new)
        older = _table(BEGUN, dataset.name, dataset.schema)
        older = older.filter(older[dataset.time] < _SINCE)
        every = ibis.union(*(stored(part, dataset, partition) for part in (new, older)))
        rows[dataset.name] = statements.query(in_order(every, dataset))

    named = History(
        part.task_events,
        part.workflows,
        part.workflow_closures,
        names.attribute_keys,
        names.activities,
    )
    workflows = ViewComputer(named, statements.keep, touched=read.touched, since=_SINCE)
    # First, because it takes the longest, and nothing else needs it.
    add(dataset_of(VIEWS[FeatureView.WORKFLOW_PROGRESS]), workflows.progress())
    facts = {name: workflows.fact(name) for name in ("task_changes", "state_changes")}
    facts["daily_events"] = read.daily_events
    for dataset in KEPT_FACTS:
        new = workflows.fact(dataset.name)
        add(dataset, new)
        older = _table(OLDER, dataset.name, dataset.schema)
        parts = (older.filter(older.recorded_at < _SINCE), new.filter(new.recorded_at >= _SINCE))
        halves = (part.select(*dataset.schema.names).cast(older.schema()) for part in parts)
        facts[dataset.name] = ibis.union(*halves)
        name = f"recent_{dataset.name}"
        facts[name] = statements.keep(name, recent_facts(facts[dataset.name], _FIRST_DAY))
    due = with_due_dates(facts["recent_completions"], history.workflows)
    facts["due_completions"] = statements.keep("due_completions", due)
    days = ViewComputer(history, statements.keep, facts=facts, span=Span(_FIRST_DAY, _NEXT_DAY))
    for view in (view for view in VIEWS if view is not FeatureView.WORKFLOW_PROGRESS):
        computer = workflows if view is FeatureView.WORKFLOW_STATUS else days
        add(dataset_of(VIEWS[view]), computer.view(view))
    statements.place(UNSETTLED, unsettled_workflows(part, _NEXT_DAY))
    return Program(partition, names, read.reading, tuple(statements), rows)


def _part(history: History, touched: ir.Table, reading: _Statements) -> History:
    """Place what was recorded of the touched and the unsettled workflows."""
    unsettled = ibis.table({"workflow_id": "string"}, name=BEFORE)
    chosen = reading.place("chosen", unsettled.union(touched).distinct())
    events = history.task_events
    first_at = events.semi_join(chosen, "workflow_id").recorded_at.min()
    first = reading.place("first_recording", first_at.name("first_at").as_table())
    # Leaves out the files that hold none of them.
    near = events.filter(events.recorded_at >= first.first_at.min().as_scalar())
    part = restricted(History(near, history.workflows, history.workflow_closures), chosen)
    tables = (part.task_events, part.workflows, part.workflow_closures)
    return History(
        *(
            reading.place(f"{PART}{name.value}", table)
            for name, table in zip(HistoryTable, tables, strict=True)
        )
    )


def _known(table: HistoryTable) -> ir.Table:
    """Return a table's rows recorded before the interval's end."""
    rows = _table(HISTORY, table.value, SCHEMAS[table])
    return rows.filter(rows.recorded_at < _UNTIL)


def _table(prefix: str, name: str, schema: pa.Schema) -> ir.Table:
    # Types without "not null": what DuckDB reads may always be null.
    types = ibis.schema({field.name: field.type for field in schema})
    return ibis.table(types, name=f"{prefix}{name}")
