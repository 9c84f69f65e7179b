"""The statements that compute an interval's rows, compiled once and run again every day.

From day to day only data differs: what is to be read lies in tables of fixed names, and the
bounds are variables of the connection. So the statements depend on nothing but the code and
the names of attributes and activities, and building them again would cost more than running
them. They are kept in the lake, with a digest: other code, or a damaged file, compiles anew.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import duckdb
import fsspec
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.features.built import definition, replace_file
from pipelines.features.compute import ViewComputer
from pipelines.features.facts import COMPLETIONS, FACTS_FOLDER, KEPT_FACTS, TIMES_TO_CLOSING
from pipelines.features.history import SCHEMAS, History
from pipelines.features.interval import unsettled_workflows
from pipelines.features.views import VIEWS
from pipelines.features.write import Dataset, dataset_of

_FILE: Final = f"{FACTS_FOLDER}/program.json"

# Tables to be there before a program runs.
TOUCHED: Final = "touched"
PART: Final = "part_"  # + history table: of the touched and the unsettled workflows
RECENT: Final = "recent_"  # + history table: what counts for rows of days, of all workflows
OLDER: Final = "older_"  # + fact: recorded before the interval
# Tables it leaves.
ROWS: Final = "rows_"  # + view or fact: what the interval adds
UNSETTLED: Final = "unsettled"


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.int64))  # type: ignore[untyped-decorator]
def _day(variable: str) -> int:
    """Return a variable of the connection (DuckDB's own function)."""
    raise NotImplementedError


@ibis.udf.scalar.builtin(name="getvariable", signature=(("string",), dt.Timestamp("UTC")))  # type: ignore[untyped-decorator]
def _moment(variable: str) -> dt.Timestamp:
    """Return a variable of the connection (DuckDB's own function)."""
    raise NotImplementedError


@dataclass(frozen=True)
class Program:
    """Statements in order, each a query and the name of the table that keeps its rows."""

    attribute_keys: tuple[str, ...]
    activities: tuple[str, ...]
    statements: tuple[tuple[str, str], ...]

    def covers(self, history: History) -> bool:
        """Tell whether it knows every name of a history."""
        return set(self.attribute_keys).issuperset(history.attribute_keys) and set(
            self.activities
        ).issuperset(history.activities)

    def run(self, connection: duckdb.DuckDBPyConnection, variables: Mapping[str, object]) -> None:
        """Make its tables.

        Args:
            connection: with the tables it reads.
            variables: since and until (the interval, with a time zone), first_day and next_day
                (the UTC days since 1970 in which these two lie).
        """
        for name, value in variables.items():
            connection.execute(f"SET VARIABLE {name} = $1", [value])
        for name, query in self.statements:
            connection.sql(query).create(name)


def compile_program(history: History, connection: Backend) -> Program:
    """Compile the statements for the names of a history."""
    statements: list[tuple[str, str]] = []

    def place(name: str, table: ir.Table) -> ir.Table:
        statements.append((name, connection.compile(table)))
        return ibis.table(table.schema(), name=name)

    def keep(name: str, table: ir.Table) -> ir.Table:
        return place(f"{name}_{len(statements)}", table)

    since, until = _moment("since"), _moment("until")
    part = _history(PART, history.attribute_keys, history.activities)
    touched = ibis.table({"workflow_id": "string"}, name=TOUCHED)
    workflows = ViewComputer(part, keep, touched=touched)
    facts = {name: workflows.fact(name) for name in ("task_changes", "state_changes")}
    added = {}
    for dataset in (COMPLETIONS, TIMES_TO_CLOSING):
        new = workflows.fact(dataset.name)
        new = new.filter(new.recorded_at >= since).select(*dataset.schema.names)
        added[dataset] = new
        older = ibis.table(_nullable(dataset.schema), name=f"{OLDER}{dataset.name}")
        facts[dataset.name] = older.union(new.cast(older.schema()))
    days = ViewComputer(_history(RECENT), keep, facts=facts, first_day=_day("first_day"))
    for view, spec in VIEWS.items():
        by_workflow = view in {FeatureView.WORKFLOW_PROGRESS, FeatureView.WORKFLOW_STATUS}
        added[dataset_of(spec)] = (workflows if by_workflow else days).view(view)
    for dataset, rows in added.items():
        is_inside = (rows[dataset.time] >= since) & (rows[dataset.time] < until)
        place(f"{ROWS}{dataset.name}", rows.filter(is_inside).select(*dataset.schema.names))
    place(UNSETTLED, unsettled_workflows(part, _day("next_day")))
    return Program(history.attribute_keys, history.activities, tuple(statements))


def read_program(lake: str) -> Program | None:
    """Return the program kept in the lake; None where there is none of this very code."""
    filesystem, path = fsspec.core.url_to_fs(f"{lake.rstrip('/')}/{_FILE}")
    try:
        digest, content = filesystem.cat_file(path).split(b"\n", 1)
    except (FileNotFoundError, ValueError):
        return None
    if digest != _digest(content):
        return None
    kept = json.loads(content)
    statements = tuple((name, query) for name, query in kept["statements"])
    return Program(tuple(kept["attribute_keys"]), tuple(kept["activities"]), statements)


def write_program(lake: str, program: Program) -> None:
    """Keep a program in the lake."""
    content = json.dumps(vars(program)).encode()
    replace_file(lake, _FILE, _digest(content) + b"\n" + content)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(definition().encode() + content, digest_size=16).hexdigest().encode()


def _history(prefix: str, *names: tuple[str, ...]) -> History:
    tables = (
        ibis.table(_nullable(SCHEMAS[table]), name=f"{prefix}{table.value}")
        for table in HistoryTable
    )
    return History(*tables, *names)


def _nullable(schema: pa.Schema) -> ibis.Schema:
    # What DuckDB reads may always be null.
    return ibis.schema({field.name: field.type for field in schema})
