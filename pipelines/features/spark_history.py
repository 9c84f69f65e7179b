"""The history in the lake as Ibis tables on Spark, cut at a moment of recording."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import uuid4

import fsspec
import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.util import gen_name
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.pandas.types import from_arrow_type

from pipelines.contracts import HISTORY_FOLDER, QUARANTINE_FOLDER, HistoryTable
from pipelines.extract.lake import list_partitions, partition_path
from pipelines.features.history import KEYS, SCHEMAS, History
from pipelines.features.spark_conf import spark_path

_ASIDE: Final = ".writing"


@dataclass(frozen=True)
class SparkTables:
    """Frames of Spark as tables of Ibis, for as long as the block of `spark_tables` lasts."""

    session: SparkSession
    backend: Backend
    aside: str
    _views: list[str] = field(default_factory=list)

    def table(self, name: str, frame: DataFrame) -> ir.Table:
        """Return a frame as a table of Ibis."""
        self._views.append(gen_name(name))
        frame.createOrReplaceTempView(self._views[-1])
        return self.backend.table(self._views[-1])

    def frame(self, table: ir.Table) -> DataFrame:
        """Return an expression of Ibis as a frame."""
        return self.session.sql(self.backend.compile(table))

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        """Store an expression's rows in the lake until the end of the block.

        Not Spark's cache: every later plan would hold all plans before it, and be compared with
        them; and a lost worker would take its share of the cache along.
        """
        frame = self.frame(table)
        path = spark_path(f"{self.aside}/{gen_name(name)}")
        frame.write.parquet(path)
        return self.table(name, self.session.read.schema(frame.schema).parquet(path))


@contextmanager
def spark_tables(session: SparkSession, lake: str) -> Iterator[SparkTables]:
    """Connect Ibis to a session; stored rows and temporary views go at the end of the block."""
    with writing_aside(lake, "kept") as aside:
        tables = SparkTables(session, ibis.pyspark.connect(session), aside)
        try:
            yield tables
        finally:
            for view in tables._views:  # noqa: SLF001 - of this module
                session.catalog.dropTempView(view)


@contextmanager
def writing_aside(lake: str, name: str) -> Iterator[str]:
    """Give the address of a folder of its own below `<lake>/.writing/`; it goes with the block."""
    aside = f"{lake.rstrip('/')}/{_ASIDE}/{name}-{uuid4().hex}"
    filesystem, root = fsspec.core.url_to_fs(aside)
    try:
        yield aside
    finally:
        if filesystem.exists(root):
            filesystem.rm(root, recursive=True)
        with suppress(OSError):  # others are writing beside it, or it is no folder
            filesystem.rmdir(root.rsplit("/", 1)[0])


def read_spark_history(lake: str, until: datetime | None, tables: SparkTables) -> History:
    """Read the lake's history, or what of it was recorded before `until`, as `read_history` does.

    Args:
        lake: local path or fsspec URL that Spark knows too, see `spark_path`.
        until: with a time zone; None means everything.
        tables: what to read with.

    Raises:
        SettingsError: Spark knows no such protocol.
    """
    rows = {name: _known_rows(lake, name, until, tables.session) for name in HistoryTable}
    events = rows[HistoryTable.TASK_EVENTS]
    return History(
        task_events=tables.table("task_events", events),
        workflows=tables.table("workflows", rows[HistoryTable.WORKFLOWS]),
        workflow_closures=tables.table("closures", rows[HistoryTable.WORKFLOW_CLOSURES]),
        attribute_keys=_texts(events, F.explode(F.json_object_keys("attributes"))),
        activities=_texts(events, F.col("activity")),
    )


def arrow_columns(frame: DataFrame, schema: pa.Schema) -> DataFrame:
    """Return the columns of an Arrow schema, in their order and types."""
    return frame.select(
        *(F.col(f"`{f.name}`").cast(from_arrow_type(f.type)).alias(f.name) for f in schema)
    )


def _known_rows(
    lake: str, table: HistoryTable, until: datetime | None, session: SparkSession
) -> DataFrame:
    rows = _partitions(lake, f"{HISTORY_FOLDER}/{table.value}", until, session)
    if rows is None:
        empty = pa.schema([pa.field(f.name, f.type) for f in SCHEMAS[table]]).empty_table()
        return session.createDataFrame(empty)
    refused = _partitions(lake, f"{QUARANTINE_FOLDER}/{table.value}", until, session)
    if refused is not None:
        rows = rows.join(refused, list(KEYS[table]), "left_anti")
    rows = arrow_columns(rows, SCHEMAS[table])
    return rows if until is None else rows.filter(F.col("recorded_at") < F.lit(until))


def _partitions(
    lake: str, folder: str, until: datetime | None, session: SparkSession
) -> DataFrame | None:
    starts = [s for s in list_partitions(lake, folder) if until is None or s < until]
    if not starts:
        return None
    return session.read.parquet(*(spark_path(partition_path(lake, folder, s)) for s in starts))


def _texts(events: DataFrame, text: Column) -> tuple[str, ...]:
    """List the texts that occur in the events, sorted."""
    found = events.select(text.alias("text")).dropna().distinct()
    return tuple(sorted(row.text for row in found.collect()))
