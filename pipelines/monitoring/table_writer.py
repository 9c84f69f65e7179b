"""Write entries to a table: by COPY, which costs PostgreSQL half of what an INSERT does.

COPY takes all or none. What it does not take for the sake of one entry is inserted: what
PostgreSQL cannot hold is replaced then, and what the table holds already is passed over.
"""

from collections.abc import Sequence
from typing import Any, Final, Generic

import psycopg
from psycopg import sql
from sqlalchemy import URL, Table
from sqlalchemy.dialects import postgresql

from pipelines.monitoring.json_text import json_text
from pipelines.monitoring.spill import E
from pipelines.source.connect import connect

_CONNECT_SECONDS: Final = 2
_STATEMENT_SECONDS: Final = 1.0
# Beyond what a statement may take. A server that hangs ends none.
_GRACE_SECONDS: Final = 0.5
# See "Text Format" of COPY in PostgreSQL's manual.
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_NULL: Final = r"\N"


class TableAwayError(Exception):
    """The database does not answer, is full, or lacks the table; says why."""


class TableWriter(Generic[E]):
    """Writes entries to a table that holds each key once.

    Any number of threads may ask for lines, one may write. `names` are the entries' columns.
    No statement holds it longer than `statement_seconds`, nor for long a database that hangs.
    """

    def __init__(
        self,
        database: URL,
        table: Table,
        names: Sequence[str],
        statement_seconds: float = _STATEMENT_SECONDS,
    ) -> None:
        self._database = database
        self._statement_seconds = statement_seconds
        self._connection: psycopg.Connection | None = None
        types = {name: table.c[name].type for name in names}
        self._columns = [(name, isinstance(of, postgresql.JSONB)) for name, of in types.items()]
        where, columns = _identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN").format(where, columns)
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        # One JSON text: a value less to bind for each column of each row.
        self._insertion = sql.SQL(
            "INSERT INTO {} ({}) SELECT * FROM json_to_recordset(%s::json) AS given ({}) "
            "ON CONFLICT DO NOTHING"
        ).format(
            where,
            columns,
            sql.SQL(", ").join(
                sql.SQL("{} " + of.compile(dialect)).format(sql.Identifier(name))
                for name, of in types.items()
            ),
        )

    def line(self, entry: E) -> str:
        """Return an entry as COPY reads it.

        To write its lines is nearly all that a batch costs in Python. Written as the entries
        come, nobody waits for many at once.
        """
        row = entry.row()
        return "\t".join([_field(row[name], is_json) for name, is_json in self._columns]) + "\n"

    def write(self, entries: Sequence[E], lines: Sequence[str]) -> list[E]:
        """Write entries, each of them once however often it is written; return those refused.

        Args:
            entries: none where only the table shall be asked whether it takes any.
            lines: theirs.

        Raises:
            TableAwayError: not all could be written; some may be.
        """
        try:
            if self._is_copied(lines) or self._is_inserted(entries):
                return []
            # So that one row the database refuses does not hold the others.
            return [entry for entry in entries if not self._is_inserted([entry])]
        except psycopg.Error as err:
            raise TableAwayError(str(err).strip()) from err

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _is_copied(self, lines: Sequence[str]) -> bool:
        try:
            with self._connected().cursor() as cursor, cursor.copy(self._copy) as copy:
                copy.write("".join(lines))
        except (psycopg.DataError, psycopg.IntegrityError, UnicodeError):
            return False
        return True

    def _is_inserted(self, entries: Sequence[E]) -> bool:
        rows = json_text([entry.row() for entry in entries])
        try:
            self._connected().execute(self._insertion, [rows])
        except (psycopg.DataError, psycopg.IntegrityError):
            return False
        return True

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._database,
                timeout_s=_CONNECT_SECONDS,
                answer_s=self._statement_seconds + _GRACE_SECONDS,
                options=f"-c statement_timeout={self._statement_seconds * 1_000:.0f}",
            )
        return self._connection


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(*filter(None, (table.schema, table.name)))


def _field(value: Any, is_json: bool) -> str:
    if value is None:
        return _NULL
    if is_json:  # it has no other character to escape, and of a long text this is far faster
        return json_text(value).replace("\\", r"\\")
    return str(value).translate(_ESCAPES)
