"""The statements that compute an interval's rows, compiled once and run again every day.

From day to day only data differs: what is to be read lies in tables of fixed names, and the
bounds are variables of the connection. So the statements depend on nothing but the code and
the names of attributes and activities, and building them again would cost more than running
them. They are kept in the lake, with a digest: other code, or a damaged file, compiles anew.

    views of the lake -> reading -> names: are all known? -> statements -> rows, written
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import duckdb
import fsspec

from pipelines.extract.lake import PartitionUnit
from pipelines.features.built import definition, replace_file
from pipelines.features.facts import FACTS_FOLDER
from pipelines.features.interval import day_of

PROGRAM: Final = f"{FACTS_FOLDER}/program.json"

# Tables to be there before a program runs.
HISTORY: Final = "history_"  # + history table: its rows that are not in quarantine
BEFORE: Final = "before_"  # + of `carry.CARRIED`: made by `Reading.search` where not kept
OLDER: Final = "older_"  # + fact: those recorded before the interval, and perhaps others
# Tables that its reading makes.
NEW: Final = "new_"  # + history table: what was recorded in the interval
PART: Final = "part_"  # + history table: of the touched and the unsettled workflows
ATTRIBUTE_NAMES: Final = "attribute_names"
ACTIVITY_NAMES: Final = "activity_names"
# Tables that its statements make.
AFTER: Final = "after_"  # + of `carry.CARRIED`: for the next interval

_MAKING: Final = 'CREATE TABLE "'
_NAME: Final = re.compile(r'"(\w+)"')


@dataclass(frozen=True)
class Names:
    """Attribute keys and activities, sorted."""

    attribute_keys: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()

    def __or__(self, other: "Names") -> "Names":
        """Return the names of both."""
        return Names(
            tuple(sorted({*self.attribute_keys, *other.attribute_keys})),
            tuple(sorted({*self.activities, *other.activities})),
        )


@dataclass(frozen=True)
class Reading:
    """Statements that read the history and tell which names occur; they depend on none.

    `search` looks in the older history for each of `carry.CARRIED` that is not kept.
    """

    search: Mapping[str, str]
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """What an interval runs: statements that each make a table, and queries of what is written.

    A statement names the tables it reads and can run as soon as they are there; what stands
    first matters most. `statements` may be run where `names` has all names that occur. `rows`
    has for each dataset the query of the rows that the interval adds, in order.
    """

    partition: PartitionUnit
    names: Names
    reading: Reading
    statements: tuple[str, ...]
    rows: Mapping[str, str]

    def covers(self, names: Names, partition: PartitionUnit) -> bool:
        """Tell whether it writes such partitions and knows every one of some names."""
        return self.partition == partition and self.names == self.names | names

    def only_makes_tables(self) -> bool:
        """Tell whether each statement is one that makes a table, or a query, and none hides more.

        What lies in the lake could have been put there by others. (A name with a semicolon in it
        costs compiling every day.)
        """
        reading = self.reading
        makings = [*reading.search.values(), *reading.statements, *self.statements]
        queries = list(self.rows.values())
        return (
            all(making.startswith(_MAKING) for making in makings)
            and all(query.startswith(("SELECT ", "WITH ")) for query in queries)
            and not any(";" in text for text in (*makings, *queries))
        )


def made_by(statement: str) -> str:
    """Return the name of the table that a statement makes."""
    return statement.removeprefix(_MAKING).split('"', 1)[0]


def named_in(text: str) -> set[str]:
    """Return the names in a statement or query: of the tables it reads, and others."""
    return set(_NAME.findall(text)) - {made_by(text)}


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
        Names(*map(tuple, kept["names"].values())),
        Reading(kept["reading"]["search"], tuple(kept["reading"]["statements"])),
        tuple(kept["statements"]),
        kept["rows"],
    )
    return program if program.only_makes_tables() else None


def write_program(lake: str, program: Program) -> None:
    """Keep a program in the lake."""
    content = json.dumps(asdict(program)).encode()
    replace_file(lake, PROGRAM, _digest(content) + b"\n" + content)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(definition().encode() + content, digest_size=16).hexdigest().encode()
