"""Read a CSV log as a stream; a row that cannot be split into its columns is refused."""

import csv
import io
from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from typing import Final, Self

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.decoding import MARK_ERRORS, detect_encoding
from pipelines.history.log_file import BlockReader, LogFile
from pipelines.history.mapping import Mapping, Reading
from pipelines.history.raw_rows import CHUNK_ROWS, RawChunk
from pipelines.history.rejections import FORBIDDEN, UNDECODABLE, Reason, RejectedRow

_DELIMITERS: Final = ",;\t|"
_LINE_CHARACTERS: Final = 1 << 20


class CsvLog:
    """An open CSV log: its header read, its rows to come.

    Where two columns have one name, the second is called `name.1`, the third `name.2`.

    Raises:
        LogFormatError: the file is no table of text.
    """

    def __init__(self, file: LogFile, reading: Reading) -> None:
        blocks = file.blocks()
        head = next(blocks, b"")
        text = io.TextIOWrapper(
            io.BufferedReader(BlockReader(chain([head], blocks))),
            encoding=detect_encoding(head, reading.encoding),
            errors=MARK_ERRORS,
            newline="",
        )
        self._file = file
        self._lines = _Lines(text, file)
        self.columns = self._header(reading.delimiter)

    def _header(self, delimiter: str | None) -> list[str]:
        line = next((line for line in self._lines if line.strip("\ufeff \t\r\n")), "")
        if not line or "\0" in line or UNDECODABLE in line or FORBIDDEN in line:
            raise LogFormatError(
                f"Log {self._file.path} does not begin with a header line of text; give a CSV "
                "file with column names (or set reading.encoding in the mapping)."
            )
        self._delimiter = delimiter or max(_DELIMITERS, key=lambda mark: _width(line, mark))
        self._lines.put_back([line.lstrip("\ufeff")])
        try:
            fields = next(csv.reader(self._lines, delimiter=self._delimiter))
        except csv.Error as err:
            raise LogFormatError(f"Log {self._file.path}: header cannot be read: {err}.") from err
        names = [name.strip() for name in fields]
        seen: Counter[str] = Counter()
        for position, name in enumerate(names):
            if seen[name]:
                names[position] = f"{name}.{seen[name]}"
            seen[name] += 1
        return names

    def chunks(self, mapping: Mapping) -> Iterator[RawChunk]:
        """Yield the mapped columns in chunks of rows, numbered from 1 below the header.

        Raises:
            MappingError: the file lacks a column that the mapping needs.
        """
        missing = [name for name in mapping.required_columns if name not in self.columns]
        if missing:
            raise MappingError(
                f"Log {self._file.path} has no column {', '.join(map(repr, missing))}, which "
                f"mapping {mapping.name!r} names. It has: {', '.join(map(repr, self.columns))}. "
                "Correct the mapping, or list the column under optional."
            )
        places = {
            name: self.columns.index(name) for name in mapping.used_columns if name in self.columns
        }
        numbers: list[int] = []
        rows: list[list[str]] = []
        rejected: list[RejectedRow] = []
        for number, record in enumerate(self._records(), start=1):
            if isinstance(record, list):
                numbers.append(number)
                rows.append(record)
            else:
                reason, value = record
                rejected.append(RejectedRow(number, None, value, reason))
            if len(rows) + len(rejected) >= CHUNK_ROWS:
                yield RawChunk(numbers, _columns(rows, places), rejected)
                numbers, rows, rejected = [], [], []
        if rows or rejected:
            yield RawChunk(numbers, _columns(rows, places), rejected)

    def _records(self) -> Iterator[list[str] | tuple[Reason, str | None]]:
        """Yield each record's fields, or why it has none, and its text."""
        reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        lines = self._lines
        while True:
            fault: Reason | None = None
            fields: list[str] = []
            lines.taken.clear()
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as err:
                is_long = "field larger" in str(err)
                fault = Reason.TOO_LONG if is_long else Reason.MALFORMED_QUOTING
            if not fields and fault is None:
                continue  # an empty line
            text = lines.taken[0] if len(lines.taken) == 1 else "".join(lines.taken)
            fault = fault or self._fault(text, fields)
            if fault is None:
                yield fields
            else:
                # A stray quote swallows the lines after it: refuse the first, read the others.
                lines.put_back(lines.taken[1:])
                yield fault, lines.taken[0].rstrip("\r\n")
        if self._file.damage is not None:
            yield self._file.damage, lines.cut

    def _fault(self, text: str, fields: list[str]) -> Reason | None:
        if not text.isascii():
            if UNDECODABLE in text:
                return Reason.BAD_ENCODING
            if FORBIDDEN in text:
                return Reason.TOO_LONG
        if "\0" in text:
            return Reason.NUL_CHARACTER
        if len(fields) != len(self.columns):
            return Reason.WRONG_COLUMN_COUNT
        return None


class _Lines:
    """Lines of the file for the CSV parser: bounded, remembered, and able to come back."""

    def __init__(self, text: io.TextIOWrapper, file: LogFile) -> None:
        self.taken: list[str] = []  # lines of the current record
        self.cut: str | None = None  # the last line, where damage cut it
        self._text = text
        self._file = file
        self._returned: deque[str] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        self._returned.extendleft(reversed(lines))

    def _read(self) -> str:
        line = self._text.readline(_LINE_CHARACTERS)
        if line.endswith(("\n", "\r")) or not line:
            return line
        if len(line) == _LINE_CHARACTERS:
            while (more := self._text.readline(_LINE_CHARACTERS)) and not more.endswith(
                ("\n", "\r")
            ):
                pass
            return f"{line[:200]}{FORBIDDEN}\n"
        if self._file.damage is not None:
            self.cut = line
            return ""
        return line


def _width(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _columns(rows: list[list[str]], places: dict[str, int]) -> dict[str, list[str | None]]:
    return {name: [row[place] for row in rows] for name, place in places.items()}
