import gzip
from pathlib import Path

import pytest

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.rejections import Reason
from tests.history.conftest import PLAIN, Read

HEADER = "case,activity,time\n"
ROWS = "1,a,2020-01-01 10:00\n1,b,2020-01-01 11:00\n2,a,2020-01-02 10:00\n"
GERMAN = 'case;activity;time;note\r\n1;"Prüfung; Ende";2020-01-01 10:00;Größe\r\n'


def test_rows_become_completed_events_in_their_order(read: Read) -> None:
    history = read(HEADER + ROWS)
    assert [
        (event["workflow_id"], event["sequence"], event["activity"], event["transition"])
        for event in history.events
    ] == [("1", 1, "a", "completed"), ("1", 2, "b", "completed"), ("2", 1, "a", "completed")]
    assert history.events[1]["occurred_at"].isoformat() == "2020-01-01T11:00:00+00:00"
    assert (history.files.read_count, history.files.rejected_count) == (3, 0)


@pytest.mark.parametrize(
    "content",
    [
        GERMAN.encode("utf-8"),
        GERMAN.encode("utf-8-sig"),
        GERMAN.encode("utf-16"),
        gzip.compress(GERMAN.encode()),
        GERMAN.replace("\r\n", "\r").encode(),
        b"\n" + GERMAN.encode(),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "gzip", "old Macintosh", "empty first line"],
)
def test_delimiter_quotes_and_encoding_are_found(read: Read, content: bytes) -> None:
    assert read(content).event_column("activity") == ["Prüfung; Ende"]


def test_latin_1_needs_to_be_told_and_says_so(read: Read) -> None:
    content = GERMAN.encode("latin-1")
    assert read(content + b"1;x;2020-01-01;y\r\n").rejected == [
        (1, None, '1;"Pr\ufffdfung; Ende";2020-01-01 10:00;Gr\ufffd\ufffde', Reason.BAD_ENCODING)
    ]
    told = read(content, PLAIN + '[reading]\nencoding = "latin-1"\n')
    assert told.event_column("activity") == ["Prüfung; Ende"]


def test_the_second_of_two_equal_headers_has_a_number(read: Read) -> None:
    log = "case,activity,time,v,v,v\n1,a,2020-01-01,x,y,z\n"
    mapping = PLAIN + '[task_attributes]\nv = "text"\n"v.1" = "text"\n'
    assert read(log, mapping).event_column("attributes") == ['{"v": "x", "v.1": "y"}']


@pytest.mark.parametrize(
    ("bad", "value", "reason"),
    [
        ("1,a", "1,a", Reason.WRONG_COLUMN_COUNT),
        ("1,a,2020-01-01,", "1,a,2020-01-01,", Reason.WRONG_COLUMN_COUNT),
        ("1,a\0,2020-01-01", "1,a\ufffd,2020-01-01", Reason.NUL_CHARACTER),
        ('1,"a"b,2020-01-01', '1,"a"b,2020-01-01', Reason.MALFORMED_QUOTING),
        ('1,"a,2020-01-01', '1,"a,2020-01-01', Reason.MALFORMED_QUOTING),
        ("1,a," + "9" * 200_000, "1,a," + "9" * 196, Reason.TOO_LONG),
        ("1,a," + "9" * 3_000_000, "1,a," + "9" * 196, Reason.TOO_LONG),
    ],
    ids=["short", "long", "NUL", "quote inside", "open quote", "long field", "long line"],
)
@pytest.mark.parametrize("ending", ["\n", ""], ids=["in the middle", "at the end"])
def test_one_broken_row_costs_no_other(
    read: Read, bad: str, value: str, reason: Reason, ending: str
) -> None:
    log = HEADER + ROWS + bad + ending + (ROWS.replace("2020", "2021") if ending else "")
    history = read(log)
    assert history.rejected == [(4, None, value, reason)]
    assert len(history.events) == (6 if ending else 3)


def test_a_quoted_value_may_hold_lines(read: Read) -> None:
    history = read(HEADER + '1,"a\nb",2020-01-01\n2,c,2020-01-01\n')
    assert history.event_column("activity") == ["a\nb", "c"]


def test_empty_lines_are_no_rows(read: Read) -> None:
    assert read(HEADER + "\n" + ROWS + "\n\n").files.read_count == 3


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_gzip_file_keeps_whole_lines_and_tells(read: Read, share: float) -> None:
    lines = [f"{number},a,2020-01-01 10:00\n" for number in range(20_000)]
    packed = gzip.compress((HEADER + "".join(lines)).encode())
    history = read(packed[: int(len(packed) * share)])
    count = len(history.events)
    assert 0 < count < 20_000
    ((number, column, value, reason),) = history.rejected
    assert (number, column, reason) == (count + 1, None, Reason.TRUNCATED_GZIP)
    assert value is None or lines[count].startswith(value)
    assert {int(event["workflow_id"]) for event in history.events} == set(range(count))
    assert history.files.read_count == count + 1


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"\0\1\2\3 binary", LogFormatError, "does not begin with a header line"),
        (b"\xff\xd8\xff\xe0 picture", LogFormatError, "does not begin with a header line"),
        (b"\n\n", LogFormatError, "does not begin with a header line"),
        (HEADER.encode(), LogFormatError, "has no rows"),
        (b"<log/>", LogFormatError, "is XML, but mapping 'mapping' is for csv files"),
        (b"case,act\n1,2\n", MappingError, "no column 'activity', 'time'.*has: 'case', 'act'"),
    ],
)
def test_what_is_no_log_of_the_mapping_is_refused_whole(
    read: Read, content: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(content)


def test_an_optional_column_may_be_absent(read: Read) -> None:
    mapping = 'optional = ["who"]\n' + PLAIN + 'person = "who"\n'
    assert read(HEADER + ROWS, mapping).event_column("person_id") == [None] * 3
    with pytest.raises(MappingError, match="'who'"):
        read(HEADER + ROWS, PLAIN + 'person = "who"\n')


def test_a_long_log_comes_in_chunks_with_running_numbers(read: Read, tmp_path: Path) -> None:
    rows = [f"{number % 7},a,2020-01-01 10:00:00.{number:06}\n" for number in range(45_000)]
    rows[44_999] = "0,,2020-01-01\n"
    history = read(HEADER + "".join(rows))
    assert len(history.events) == 44_999
    assert history.rejected == [(45_000, "activity", None, Reason.MISSING_KEY)]
