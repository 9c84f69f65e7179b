"""Read an XES log (IEEE 1849) as a stream: no tree is built, no entity or DTD is read."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.decoding import MARK_ERRORS, detect_encoding
from pipelines.history.log_file import LogFile
from pipelines.history.mapping import Mapping
from pipelines.history.raw_rows import CHUNK_ROWS, RawChunk
from pipelines.history.rejections import FORBIDDEN, UNDECODABLE, Reason, RejectedRow

CASE_PREFIX: Final = "case:"

# Characters outside the Char production of XML 1.0, which would end the parsing.
_FORBIDDEN: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CONTROL_BYTES: Final = bytes(set(range(0x20)) - set(b"\t\n\r"))

# Keys remembered for messages and for choosing a mapping.
_KEYS_KEPT: Final = 1_000

# Events of one trace that wait for its end.
_TRACE_ROWS: Final = 10 * CHUNK_ROWS

Event = tuple[int, dict[str, str], dict[str, str]]  # number, event's own, its trace's


class EventCollector:
    """Parser target: collects each event's attributes by key as its end tag is read.

    An attribute inside another one has the key `outer/inner`; where a key comes twice, the
    first counts. An event outside any trace has no trace attributes, so no workflow.
    """

    def __init__(self, keys: frozenset[str] | None = None) -> None:
        self.events: list[Event] = []
        self.count = 0
        self.complete = 0  # of the collected events, those whose traces have ended
        self.has_root = False
        self.seen: set[str] = set()
        self._keys = keys  # None: all
        self._trace: dict[str, str] = {}
        self._in_trace = False
        self._event: dict[str, str] | None = None
        self._path: list[str] = []

    def take(self, at_least: int) -> list[Event]:
        """Hand over the events of ended traces, once there are enough of them.

        A trace may say its own attributes after its events, so its events wait for its
        end, unless they are more than fit in memory.
        """
        size = self.complete if len(self.events) < _TRACE_ROWS else len(self.events)
        if size < at_least:
            return []
        taken, self.events = self.events[:size], self.events[size:]
        self.complete = 0
        return taken

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take an opening tag."""
        kind = tag[tag.rfind("}") + 1 :]
        if not self.has_root:
            if kind != "log":
                raise LogFormatError(f"its root is <{kind}>, not <log>")
            self.has_root = True
        elif self._event is None and kind == "event":
            self._event = {}
        elif self._event is not None or self._in_trace:
            self._attribute(kind, attributes)
        elif kind == "trace":
            self._in_trace = True
            self._trace = {}

    def _attribute(self, kind: str, attributes: dict[str, str]) -> None:
        key = attributes.get("key", "")
        if self._path:
            outer = self._path[-1]
            key = f"{outer}/{key}" if key else outer  # the <values> of a list has no key
        self._path.append(key)
        value = attributes.get("value")
        if value is None:
            return
        target = self._event
        if target is None:
            key, target = CASE_PREFIX + key, self._trace
        if len(self.seen) < _KEYS_KEPT:
            self.seen.add(key)
        if not value.isascii() and (UNDECODABLE in value or FORBIDDEN in value):
            target.setdefault(UNDECODABLE if UNDECODABLE in value else FORBIDDEN, value)
        if self._keys is None or key in self._keys:
            if kind == "float" and value.endswith(".0"):
                value = value[:-2]  # whole numbers that a tool with gaps wrote as floats
            target.setdefault(key, value)

    def end(self, tag: str) -> None:
        """Take a closing tag."""
        if self._path:
            self._path.pop()
        elif self._event is not None:
            self.count += 1
            self.events.append((self.count, self._event, self._trace))
            self._event = None
            if not self._in_trace:
                self.complete = len(self.events)
        elif self._in_trace:
            self._in_trace = False
            self._trace = {}
            self.complete = len(self.events)

    def doctype(self, name: str, public_id: str | None, system: str | None) -> None:
        """Refuse a document type: entities and outside files are never read."""
        raise LogFormatError("it declares a document type (DTD), which is refused; remove it")

    def close(self) -> None:
        """End the document."""


class XesLog:
    """An XES log to be read once."""

    def __init__(self, file: LogFile, encoding: str | None) -> None:
        self._file = file
        self._encoding = encoding
        self._fault: tuple[Reason, str | None] | None = None

    def chunks(self, mapping: Mapping) -> Iterator[RawChunk]:
        """Yield the mapped keys in chunks of events, numbered from 1 through all traces.

        Raises:
            LogFormatError: the file is no XES log, or holds a document type.
            MappingError: no event or trace has a key that the mapping needs.
        """
        collector = EventCollector(frozenset(mapping.used_columns))
        for _ in self.feed(collector):
            if events := collector.take(CHUNK_ROWS):
                yield _chunk(events, mapping)
        rest = _chunk(collector.events, mapping)
        if self._fault is not None:
            reason, value = self._fault
            rest.rejected.append(RejectedRow(collector.count + 1, None, value, reason))
        yield rest
        missing = [key for key in mapping.required_columns if key not in collector.seen]
        if collector.count and missing:
            raise MappingError(
                f"Log {self._file.path} has no key {', '.join(map(repr, missing))}, which mapping "
                f"{mapping.name!r} names. It has: {', '.join(map(repr, sorted(collector.seen)))}. "
                "Correct the mapping, or list the key under optional."
            )

    def feed(self, collector: EventCollector) -> Iterator[None]:
        """Parse the file into the collector, pausing after each block.

        Raises:
            LogFormatError: the file is no XES log, or holds a document type.
        """
        parser = etree.XMLParser(
            target=collector,
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        )
        has_ended = False
        try:
            for block in self._clean_blocks():
                parser.feed(block)
                yield
            has_ended = True
            parser.close()
        except LogFormatError as err:
            raise LogFormatError(f"Log {self._file.path} is not read: {err}.") from err
        except etree.XMLSyntaxError as err:
            if not collector.count:
                raise LogFormatError(
                    f"Log {self._file.path} is no XES log, or ends before its first event: {err}."
                ) from err
            self._fault = (Reason.TRUNCATED_XML if has_ended else Reason.MALFORMED_XML, str(err))
        if self._file.damage is not None:
            self._fault = (self._file.damage, None)

    def _clean_blocks(self) -> Iterator[bytes]:
        """Yield the file as UTF-8, with a mark for each byte that no XML parser would take."""
        decoder: codecs.IncrementalDecoder | None = None
        for block in self._file.blocks():
            if decoder is None:
                encoding = detect_encoding(block, self._encoding)
                decoder = codecs.getincrementaldecoder(encoding)(MARK_ERRORS)
            text = decoder.decode(block)
            # Most blocks need no search through their text.
            is_suspicious = len(block.translate(None, _CONTROL_BYTES)) < len(block)
            if is_suspicious or "\ufffe" in text or "\uffff" in text:
                text = _FORBIDDEN.sub(FORBIDDEN, text)
            if text:
                yield text.encode("utf-8", "replace")
        if decoder is not None and (text := decoder.decode(b"", final=True)):
            yield text.encode("utf-8", "replace")


def _chunk(events: list[Event], mapping: Mapping) -> RawChunk:
    """Turn events into columns; one with bytes or characters that are none is refused."""
    good: list[Event] = []
    rejected: list[RejectedRow] = []
    for event in events:
        number, own, trace = event
        for mark, reason in _MARKS:
            if mark in own or mark in trace:
                value = own.get(mark, trace.get(mark))
                rejected.append(RejectedRow(number, None, value, reason))
                break
        else:
            good.append(event)
    columns: dict[str, list[str | None]] = {}
    for key in mapping.used_columns:
        if key.startswith(CASE_PREFIX):
            columns[key] = [trace.get(key) for _, _, trace in good]
        else:
            columns[key] = [own.get(key) for _, own, _ in good]
    return RawChunk([number for number, _, _ in good], columns, rejected)


_MARKS: Final = ((UNDECODABLE, Reason.BAD_ENCODING), (FORBIDDEN, Reason.NUL_CHARACTER))
