"""Times as DuckDB writes and types them."""

from datetime import timedelta
from typing import Final

import duckdb
from duckdb import ConstantExpression, Expression

from pipelines.store.clock import EPOCH, MICROSECOND

_MICROSECOND_TYPES: Final = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def time_literal(column_type: str, count: int, unit: str) -> Expression | None:
    """Return a time as a literal of the column's own type, so that row groups can be skipped.

    `count` is rounded to the next whole microsecond at or after it. None where the type has no
    such literal or Python no such date.
    """
    if column_type not in _MICROSECOND_TYPES:
        return None
    microseconds = count if unit == MICROSECOND else -(-count // 1_000)
    try:
        moment = EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    if column_type == "TIMESTAMP":
        moment = moment.replace(tzinfo=None)
    return ConstantExpression(moment)


def epoch_function(unit: str) -> str:
    """Name DuckDB's function from a timestamp to its integer count."""
    return f"epoch_{unit}"


def column_type(relation: duckdb.DuckDBPyRelation, name: str) -> str:
    """Return DuckDB's name of a column's type."""
    return str(relation.types[relation.columns.index(name)])
