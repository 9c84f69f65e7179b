import gzip
from pathlib import Path

import pytest

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.log_file import LogFile
from pipelines.history.rejections import Reason
from pipelines.history.xes_log import EventCollector, XesLog
from tests.history.conftest import Read

XES = """
format = "xes"
optional = ["lifecycle:transition", "org:resource", "case:amount"]
[columns]
workflow = "case:concept:name"
activity = "concept:name"
timestamp = "time:timestamp"
transition = "lifecycle:transition"
person = "org:resource"
[workflow_attributes]
"case:amount" = "number"
"""


def event(activity: str = "a", time: str = "2020-01-01T10:00:00.000+02:00", more: str = "") -> str:
    return (
        f'<event><string key="concept:name" value="{activity}"/>'
        f'<date key="time:timestamp" value="{time}"/>{more}</event>'
    )


def trace(name: str, *inside: str) -> str:
    return f'<trace><string key="concept:name" value="{name}"/>{"".join(inside)}</trace>'


def log(*traces: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a log -->\n'
        '<log xes.version="1.0" xmlns="http://www.xes-standard.org/">\n'
        '<global scope="event"><string key="concept:name" value="UNKNOWN"/></global>\n'
        '<string key="concept:name" value="the log"><int key="inner" value="1"/></string>\n'
        f"{''.join(traces)}</log>"
    )


def test_traces_and_events_by_their_keys(read: Read) -> None:
    start = (
        '<string key="lifecycle:transition" value="START"/>'
        '<float key="org:resource" value="112.0"/>'
    )
    later = event("a", "2020-01-01T10:00:00Z")
    history = read(
        log(
            trace("w/1", event(more=start), later, '<float key="amount" value="20.50"/>'),
            trace("no events"),
            trace("w2", event("b"), event("b")),
        ),
        XES,
    )
    assert [
        (row["workflow_id"], row["activity"], row["transition"], row["person_id"], row["task_id"])
        for row in history.events
    ] == [
        ("w/1", "a", "started", "112", "w%2F1/a/1"),
        ("w/1", "a", "completed", None, "w%2F1/a/1"),
        ("w2", "b", "completed", None, "w2/b/1"),
    ]
    assert history.event_column("occurred_at")[0].isoformat() == "2020-01-01T08:00:00+00:00"
    assert [row["attributes"] for row in history.workflows] == ['{"amount": 20.5}', "{}"]
    assert history.rejected == [(4, None, "same as row 3", Reason.DUPLICATE_EVENT)]


def test_attributes_inside_attributes_do_not_hide_the_events_own(tmp_path: Path) -> None:
    path = tmp_path / "log.xes"
    inner = (
        '<list key="items"><values><string key="concept:name" value="x"/></values></list>'
        '<string key="org:resource" value="p"><string key="concept:name" value="y">'
        '<int key="deep" value="1"/></string></string>'
        '<string key="concept:name" value="second"/>'
    )
    path.write_text(log(trace("1", event("a", more=inner))))
    collector = EventCollector()
    for _ in XesLog(LogFile(path), None).feed(collector):
        pass
    ((number, own, whole),) = collector.events
    assert (number, whole) == (1, {"case:concept:name": "1"})
    assert own == {
        "concept:name": "a",
        "time:timestamp": "2020-01-01T10:00:00.000+02:00",
        "items/concept:name": "x",
        "org:resource": "p",
        "org:resource/concept:name": "y",
        "org:resource/concept:name/deep": "1",
    }


def test_an_event_outside_any_trace_has_no_workflow(read: Read) -> None:
    history = read(log(trace("1", event()), event("b"), trace("2", event("c"))), XES)
    assert history.event_column("activity") == ["a", "c"]
    assert history.rejected == [(2, "case:concept:name", None, Reason.MISSING_KEY)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "cp1252"])
def test_the_declared_encoding_counts(read: Read, encoding: str) -> None:
    text = log(trace("1", event("Prüfung")))
    content = text.replace("UTF-8", encoding.removesuffix("-sig")).encode(encoding)
    assert read(content, XES).event_column("activity") == ["Prüfung"]


def test_a_byte_that_does_not_decode_costs_one_event(read: Read) -> None:
    content = log(trace("1", event("a"), event("bad"), event("c"), event("worse")), trace("2"))
    broken = content.encode().replace(b"bad", b"b\xffd").replace(b"worse", b"w\x01\x00")
    history = read(broken, XES)
    assert history.event_column("activity") == ["a", "c"]
    assert history.rejected == [
        (2, None, "b\ufffdd", Reason.BAD_ENCODING),
        (4, None, "w\ufffd\ufffd", Reason.NUL_CHARACTER),
    ]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8, 0.999])
def test_xml_cut_anywhere_keeps_the_events_before(read: Read, place: float) -> None:
    whole = log(*(trace(f"{n}", event("a"), event("b")) for n in range(200))).encode()
    cut = whole[: int(len(whole) * place)]
    history = read(cut, XES)
    count = cut.count(b"</event>")
    assert len(history.events) == count > 0
    assert history.reasons == [(count + 1, Reason.TRUNCATED_XML)]
    assert history.files.read_count == count + 1


def test_a_cut_gzip_file_is_told_once(read: Read) -> None:
    whole = gzip.compress(log(*(trace(f"{n}", event(f"{n}")) for n in range(2_000))).encode())
    history = read(whole[: len(whole) // 2], XES)
    assert 0 < len(history.events) < 2_000
    assert history.reasons == [(len(history.events) + 1, Reason.TRUNCATED_GZIP)]


def test_markup_that_does_not_fit_ends_the_reading_and_says_where(read: Read) -> None:
    history = read(log(trace("1", event()), "</trace>", trace("2", event())), XES)
    ((number, _, value, reason),) = history.rejected
    assert (number, reason) == (2, Reason.MALFORMED_XML)
    assert value is not None
    assert "line 6" in value


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("<html><body/></html>", LogFormatError, "its root is <html>, not <log>"),
        ("<log></log>", LogFormatError, "has no rows"),
        ("<log><trace><ev", LogFormatError, "ends before its first event"),
        ("<not xml", LogFormatError, "is no XES log"),
        ("case,activity\n", LogFormatError, "is no XML, but mapping 'mapping' is for xes files"),
        (
            log(trace("1", "<event><int key='x' value='1'/></event>")),
            MappingError,
            "no key 'concept:name', 'time:timestamp'.* It has: 'case:concept:name', 'x'",
        ),
    ],
)
def test_what_is_no_log_of_the_mapping_is_refused_whole(
    read: Read, content: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(content, XES)


def test_document_types_entities_and_outside_files_are_never_read(
    read: Read, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for doctype in (
        f'<!DOCTYPE log [<!ENTITY x SYSTEM "file://{secret}">]>',
        '<!DOCTYPE log [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE log SYSTEM "http://127.0.0.1:9/log.dtd">',
    ):
        content = f"{doctype}<log>{trace('1', event('&x;'))}</log>"
        with pytest.raises(LogFormatError, match="document type"):
            read(content, XES)


def test_a_long_trace_waits_for_its_attributes_and_memory_stays_bounded(read: Read) -> None:
    events = [event("a", f"2020-01-01T10:00:00.{number:06}Z") for number in range(30_000)]
    history = read(log(trace("1", *events, '<int key="amount" value="7"/>')), XES)
    assert len(history.events) == 30_000
    assert [row["attributes"] for row in history.workflows] == ['{"amount": 7}']
