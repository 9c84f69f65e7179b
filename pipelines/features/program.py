"""The statements that compute an interval's rows, compiled once and run again every day.

From day to day only data differs: what is to be read lies in tables of fixed names, and the
bounds are variables of the connection. So the statements depend on nothing but the code and
the names of attributes and activities, and building them again would cost more than running
them. They are kept in the lake, with a digest: other code, or a damaged file, compiles anew.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import duckdb
import fsspec
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit
from pipelines.features.built import definition, replace_file
from pipelines.features.compute import ViewComputer
from pipelines.features.durations import with_due_dates
from pipelines.features.facts import FACTS_FOLDER, KEPT_FACTS
from pipelines.features.history import SCHEMAS, History
from pipelines.features.interval import day_of, recent_facts, unsettled_workflows
from pipelines.features.scratch import creation
from pipelines.features.timing import Span
from pipelines.features.views import VIEWS
from pipelines.features.write import Dataset, dataset_of, in_order, stored

PROGRAM: Final = f"{FACTS_FOLDER}/program.json"

# Tables to be there before a program runs.
TOUCHED: Final = "touched"
PART: Final = "part_"  # + history table: of the touched and the unsettled workflows
RECENT: Final = "recent_"  # + history table: what counts for rows of days, of all workflows
OLDER: Final = "older_"  # + fact: those recorded before the interval, and perhaps others
BEGUN: Final = "begun_"  # + dataset: the partition in which the interval begins
# A table it leaves.
UNSETTLED: Final = "unsettled"


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


@dataclass(frozen=True)
class Program:
    """Statements in order that make tables, and what then makes the rows of each dataset.

    That is a statement that makes the table of the rows that the interval adds, and the query of
    these and of what was before it in the partition where it begins, in order.
    """

    partition: PartitionUnit
    attribute_keys: tuple[str, ...]
    activities: tuple[str, ...]
    statements: tuple[str, ...]
    rows: Mapping[str, tuple[str, str]]

    def covers(self, history: History, partition: PartitionUnit) -> bool:
        """Tell whether it writes such partitions and knows every name of a history."""
        return (
            self.partition == partition
            and set(self.attribute_keys).issuperset(history.attribute_keys)
            and set(self.activities).issuperset(history.activities)
        )

    def only_makes_tables(self) -> bool:
        """Tell whether each statement is one that makes a table, or a query, and none hides more.

        What lies in the lake could have been put there by others. (A name with a semicolon in it
        costs compiling every day.)
        """
        makings = [*self.statements, *(making for making, _ in self.rows.values())]
        queries = [query for _, query in self.rows.values()]
        return (
            all(making.startswith('CREATE TABLE "') for making in makings)
            and all(query.startswith(("SELECT ", "WITH ")) for query in queries)
            and not any(";" in text for text in (*makings, *queries))
        )

    def names_beside(self, history: History) -> History:
        """Add the names it knows to those of a history."""
        return replace(
            history,
            attribute_keys=tuple(sorted({*self.attribute_keys, *history.attribute_keys})),
            activities=tuple(sorted({*self.activities, *history.activities})),
        )


def compile_program(history: History, partition: PartitionUnit, connection: Backend) -> Program:
    """Compile the statements for partitions of this length and the names of a history."""
    statements: list[str] = []

    def place(name: str, table: ir.Table) -> ir.Table:
        statements.append(creation(name, connection.compile(table)))
        return ibis.table(table.schema(), name=name)

    def keep(name: str, table: ir.Table) -> ir.Table:
        return place(f"{name}_{len(statements)}", table)

    part = _history(PART, history.attribute_keys, history.activities)
    touched = ibis.table({"workflow_id": "string"}, name=TOUCHED)
    workflows = ViewComputer(part, keep, touched=touched)
    added = {dataset: workflows.fact(dataset.name) for dataset in KEPT_FACTS}
    facts = {name: workflows.fact(name) for name in ("task_changes", "state_changes")}
    for dataset, new in added.items():
        older = _table(OLDER, dataset.name, dataset.schema)
        parts = (older.filter(older.recorded_at < _SINCE), new.filter(new.recorded_at >= _SINCE))
        halves = (rows.select(*dataset.schema.names).cast(older.schema()) for rows in parts)
        facts[dataset.name] = ibis.union(*halves)
        name = f"recent_{dataset.name}"
        facts[name] = keep(name, recent_facts(facts[dataset.name], _FIRST_DAY))
    recent = _history(RECENT)
    due = with_due_dates(facts["recent_completions"], recent.workflows)
    facts["due_completions"] = keep("due_completions", due)
    days = ViewComputer(recent, keep, facts=facts, span=Span(_FIRST_DAY, _NEXT_DAY))
    for view, spec in VIEWS.items():
        by_workflow = view in {FeatureView.WORKFLOW_PROGRESS, FeatureView.WORKFLOW_STATUS}
        added[dataset_of(spec)] = (workflows if by_workflow else days).view(view)
    place(UNSETTLED, unsettled_workflows(part, _NEXT_DAY))
    return Program(
        partition,
        history.attribute_keys,
        history.activities,
        tuple(statements),
        {
            dataset.name: _rows(dataset, rows, partition, connection)
            for dataset, rows in added.items()
        },
    )


def _rows(
    dataset: Dataset, rows: ir.Table, partition: PartitionUnit, connection: Backend
) -> tuple[str, str]:
    name = f"rows_{dataset.name}"
    is_inside = (rows[dataset.time] >= _SINCE) & (rows[dataset.time] < _UNTIL)
    rows = rows.filter(is_inside).select(*dataset.schema.names)
    making = creation(name, connection.compile(rows))
    older = _table(BEGUN, dataset.name, dataset.schema)
    older = older.filter(older[dataset.time] < _SINCE)
    parts = (ibis.table(rows.schema(), name=name), older)
    every = ibis.union(*(stored(part, dataset, partition) for part in parts))
    return making, connection.compile(in_order(every, dataset))


def set_bounds(connection: duckdb.DuckDBPyConnection, since: datetime, until: datetime) -> None:
    """Set the variables of the connection that a program's statements read."""
    connection.execute("SET VARIABLE since = $1", [since])
    connection.execute("SET VARIABLE until = $1", [until])
    connection.execute("SET VARIABLE first_day = $1", [day_of(since)])
    connection.execute("SET VARIABLE next_day = $1", [day_of(until)])


def read_program(lake: str) -> Program | None:
    """Return the program kept in the lake; None where there is no sound one of this very code."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{PROGRAM}")
    try:
        digest, content = filesystem.cat_file(path).split(b"\n", 1)
    except (FileNotFoundError, ValueError):
        return None
    if digest != _digest(content):
        return None
    kept = json.loads(content)
    program = Program(
        kept["partition"],
        tuple(kept["attribute_keys"]),
        tuple(kept["activities"]),
        tuple(kept["statements"]),
        {name: (making, query) for name, (making, query) in kept["rows"].items()},
    )
    return program if program.only_makes_tables() else None


def write_program(lake: str, program: Program) -> None:
    """Keep a program in the lake."""
    content = json.dumps(vars(program)).encode()
    replace_file(lake, PROGRAM, _digest(content) + b"\n" + content)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(definition().encode() + content, digest_size=16).hexdigest().encode()


def _history(prefix: str, *names: tuple[str, ...]) -> History:
    tables = (_table(prefix, table.value, SCHEMAS[table]) for table in HistoryTable)
    return History(*tables, *names)


def _table(prefix: str, name: str, schema: pa.Schema) -> ir.Table:
    # Types without "not null": what DuckDB reads may always be null.
    types = ibis.schema({field.name: field.type for field in schema})
    return ibis.table(types, name=f"{prefix}{name}")
