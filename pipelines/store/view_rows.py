"""Read one view's rows with DuckDB: keys and times to match, and then the values found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, Expression, FunctionExpression

from pipelines.store.clock import MICROSECOND
from pipelines.store.duckdb_time import column_type, epoch_function, time_literal
from pipelines.store.joined_view import JoinedView
from pipelines.store.match import Questions, Rows

# Rows matched at a time: many enough beside the entity rows, which are looked up in each batch.
_BATCH_ROWS: Final = 1 << 20
_BATCH_ROWS_PER_QUESTION: Final = 4
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ViewRows:
    """A view's rows beside the entity rows that ask for them.

    Attributes:
        connection: gets the tables `keys` and `found`.
        scan: the rows, as in the files.
        view: what their columns mean.
        unit: the unit of all times, see `pipelines.store.clock`.
        known: whether rows are visible only once created.
    """

    connection: duckdb.DuckDBPyConnection
    scan: duckdb.DuckDBPyRelation
    view: JoinedView
    unit: str
    known: bool

    @property
    def ttl(self) -> int:
        """Time-to-live in the unit; 0 means none."""
        return self.view.ttl_us if self.unit == MICROSECOND else self.view.ttl_us * 1_000

    def questions(
        self, entities: pa.Table, moments: pa.ChunkedArray
    ) -> tuple[_Integers, Questions]:
        """Give each key asked for a number, in the table `keys`; return row ids and questions.

        Rows with a null key or moment ask nothing.
        """
        columns = {k: _plain(entities.column(k_in)) for k, (_, k_in) in self._keys()}
        if not columns:
            columns["k0"] = pa.nulls(len(moments), pa.int32()).fill_null(0)
        names = ", ".join(columns)
        row_ids = pa.array(np.arange(len(moments), dtype=np.int64))
        self.connection.register("entity", pa.table({"row_id": row_ids, **columns, "t": moments}))
        usable = " AND ".join(f"{name} IS NOT NULL" for name in (*columns, "t"))
        entity = self.connection.table("entity").filter(usable)
        self.connection.execute("DROP TABLE IF EXISTS keys")
        entity.aggregate(names).project("*, row_number() OVER () AS key_id").create("keys")
        asked = entity.join(self.connection.table("keys"), names).order("key_id, t")
        table = asked.select("row_id", "key_id", "t").to_arrow_table()
        numbers, key_ids, times = (column.to_numpy() for column in table.columns)
        return numbers, Questions(key_ids, times)

    def batches(self, questions: Questions) -> Iterator[Rows]:
        """Read keys and times of the rows that a question may be answered with."""
        if not len(questions.keys):
            return
        latest = int(questions.moments.max())
        earliest = int(questions.moments.min()) - self.ttl if self.ttl else None
        scan = self._within(self.view.event, earliest, latest)
        visible = []
        if self.known and self.view.created:
            scan = self._within(self.view.created, None, latest, scan)
            both = self._count(self.view.event), self._count(self.view.created)
            visible = [FunctionExpression("greatest", *both).alias("visible")]
        rows = self._projected(scan, visible).join(self.connection.table("keys"), self._key_names)
        size = max(_BATCH_ROWS, _BATCH_ROWS_PER_QUESTION * len(questions.keys))
        narrow = rows.select("key_id", "event", *(["visible"] if visible else []))
        for batch in narrow.to_arrow_reader(size):
            keys, events, *seen_from = (column.to_numpy() for column in batch.columns)
            yield Rows(keys, events, *(seen_from or [None]))

    def values(self, found: pa.Table) -> pa.Table:
        """Read the values of the rows found, one for each.

        Args:
            found: row_id, key_id, event and t (the moment), as integers.

        Returns:
            row_id in any order, and the features as v0, v1, ….
        """
        self.connection.register("found", found)
        events = found.column("event").to_numpy()
        bounds = (int(events.min()), int(events.max())) if len(events) else (None, None)
        scan = self._within(self.view.event, *bounds)
        values = [
            ColumnExpression(column).alias(f"v{i}")
            for i, (column, _) in enumerate(self.view.features)
        ]
        names = [f"v{i}" for i in range(len(values))]
        rows = self._projected(scan, values).join(self._wanted(), f"{self._key_names}, event")
        table = rows.select("row_id", *names).to_arrow_table()
        if table.num_rows == len(events) or not self.view.created:
            return table
        # Event times tie: of the rows visible, the one created last counts.
        created = self._count(self.view.created).alias("created")
        rows = self._projected(scan, [created, *values]).join(
            self._wanted(), f"{self._key_names}, event"
        )
        if self.known:
            rows = rows.filter("created <= t")
        return (
            rows.select("row_id", *names, "created").order("created NULLS FIRST").to_arrow_table()
        )

    def _wanted(self) -> duckdb.DuckDBPyRelation:
        return self.connection.table("found").join(self.connection.table("keys"), "key_id")

    def _keys(self) -> list[tuple[str, tuple[str, str]]]:
        return [(f"k{i}", names) for i, names in enumerate(self.view.keys)]

    @property
    def _key_names(self) -> str:
        return ", ".join(name for name, _ in self._keys()) or "k0"

    def _count(self, column: str) -> Expression:
        return FunctionExpression(epoch_function(self.unit), ColumnExpression(column))

    def _projected(
        self, scan: duckdb.DuckDBPyRelation, more: Sequence[Expression]
    ) -> duckdb.DuckDBPyRelation:
        """Project to k0…, event and more."""
        keys = [ColumnExpression(column).alias(name) for name, (column, _) in self._keys()]
        event = self._count(self.view.event).alias("event")
        return scan.select(*(keys or [ConstantExpression(0).alias("k0")]), event, *more)

    def _within(
        self,
        column: str,
        lower: int | None,
        upper: int | None,
        scan: duckdb.DuckDBPyRelation | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Leave out nulls and what lies outside, by comparisons that Parquet can skip with."""
        rows = self.scan if scan is None else scan
        time = ColumnExpression(column)
        rows = rows.filter(time.isnotnull())
        kind = column_type(rows, column)
        if upper is not None:
            literal = time_literal(kind, upper, self.unit)
            rows = rows if literal is None else rows.filter(time <= literal)
        if lower is not None:
            # One microsecond off: the literal is rounded up.
            literal = time_literal(kind, lower - 1_000, self.unit)
            rows = rows if literal is None else rows.filter(time >= literal)
        return rows


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Undo dictionaries (an ENUM compares with nothing else); type a column of nulls."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
