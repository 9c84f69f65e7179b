from datetime import UTC, datetime

import pytest

from pipelines.history.rejections import Reason
from tests.history.conftest import PLAIN, Read

SPANS = PLAIN + 'start_timestamp = "start"\nperson = "who"\n'


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (",a,2020-01-01", "case", None, Reason.MISSING_KEY),
        ("1,  ,2020-01-01", "activity", None, Reason.MISSING_KEY),
        ("1,NULL,2020-01-01", "activity", None, Reason.MISSING_KEY),
        ("1,a,", "time", None, Reason.MISSING_KEY),
        ("1,a,yesterday", "time", "yesterday", Reason.UNPARSABLE_TIME),
        ("1,a,2020-13-01", "time", "2020-13-01", Reason.UNPARSABLE_TIME),
        ("1,a,1970-01-01 00:00:00", "time", "1970-01-01 00:00:00", Reason.IMPOSSIBLE_TIME),
        ("1,a,2999-01-01", "time", "2999-01-01", Reason.IMPOSSIBLE_TIME),
        ("1,a,9999-12-31", "time", "9999-12-31", Reason.IMPOSSIBLE_TIME),
        (f"1,{'ü' * 128},2020-01-01", "activity", "ü" * 128, Reason.TOO_LONG),
    ],
)
def test_a_row_without_key_or_possible_time_is_refused(
    read: Read, row: str, column: str, value: str | None, reason: Reason
) -> None:
    history = read(f"case,activity,time\n1,a,2020-01-01\n{row}\n1,b,2020-01-02\n")
    assert history.rejected == [(2, column, value, reason)]
    assert history.event_column("activity") == ["a", "b"]


def test_the_present_is_an_argument(read: Read) -> None:
    log = "case,activity,time\n1,a,2020-01-02 00:00:00\n1,b,2020-01-02 00:00:01\n"
    history = read(log, now=datetime(2020, 1, 1, tzinfo=UTC))
    assert history.reasons == [(2, Reason.IMPOSSIBLE_TIME)]


def test_one_row_has_one_refusal(read: Read) -> None:
    history = read("case,activity,time\n,,never\n1,a,2020-01-01\n")
    assert history.rejected == [(1, "case", None, Reason.MISSING_KEY)]


def test_transitions_are_translated_and_unknown_ones_refused(read: Read) -> None:
    words = ["Schedule", "START", "ate_abort", "complete", "", "started", "In Work", "Parked"]
    rows = [f"1,a,2020-01-0{day},{word}" for day, word in enumerate(words, start=1)]
    history = read(
        "\n".join(["case,activity,time,step", *rows]),
        PLAIN + 'transition = "step"\n[transitions]\n"in work" = "resumed"\n',
    )
    assert history.event_column("transition") == [
        "created",
        "started",
        "cancelled",
        "completed",
        "completed",
        "started",
        "resumed",
    ]
    assert history.rejected == [(8, "step", "Parked", Reason.UNKNOWN_TRANSITION)]


def test_a_row_with_a_start_is_two_events_of_one_task(read: Read) -> None:
    history = read(
        "case,activity,start,time,who\n"
        "1,a,2020-01-01 10:00,2020-01-01 15:00,p\n"
        "1,a,2020-01-01 11:00,2020-01-01 12:00,q\n"
        "1,a,,2020-01-01 13:00,r\n"
        "1,a,2020-01-01 12:00,2020-01-01 11:59,s\n",
        SPANS,
    )
    assert [
        (row["task_id"], row["transition"], row["occurred_at"].hour, row["person_id"])
        for row in history.events
    ] == [
        ("1/a/1", "started", 10, "p"),
        ("1/a/2", "started", 11, "q"),
        ("1/a/2", "completed", 12, "q"),
        ("1/a/3", "completed", 13, "r"),
        ("1/a/1", "completed", 15, "p"),
    ]
    assert history.rejected == [(4, "start", "2020-01-01 12:00", Reason.COMPLETION_BEFORE_START)]
    assert (history.files.read_count, len(history.tasks)) == (4, 3)


def test_equal_starts_of_different_tasks_are_no_duplicates(read: Read) -> None:
    history = read(
        "case,activity,start,time,who\n"
        "1,a,2020-01-01 10:00,2020-01-01 15:00,p\n"
        "1,a,2020-01-01 10:00,2020-01-01 16:00,p\n"
        "1,a,2020-01-01 10:00,2020-01-01 15:00,p\n",
        SPANS,
    )
    assert history.rejected == [(3, None, "same as row 1", Reason.DUPLICATE_EVENT)]
    assert [task["completed_at"].hour for task in history.tasks] == [15, 16]
    assert len({row["event_id"] for row in history.events}) == 4


def test_the_own_recording_time_counts(read: Read) -> None:
    history = read(
        "case,activity,time,known\n"
        "1,a,2020-01-01,2020-01-05\n"
        "1,b,2020-01-02,\n"
        "1,c,2020-01-03,2020-01-01\n"
        "1,d,2020-01-04,2999-01-01\n",
        PLAIN + 'recorded = "known"\n',
    )
    assert [time.day for time in history.event_column("recorded_at")] == [5, 2]
    assert history.rejected == [
        (3, "known", "2020-01-01", Reason.RECORDED_TOO_EARLY),
        (4, "known", "2999-01-01", Reason.IMPOSSIBLE_TIME),
    ]


def test_attributes_are_typed_and_wrong_ones_refused(read: Read) -> None:
    history = read(
        "case,activity,time,n,b,t\n"
        '1,a,2020-01-01,20.0,yes,"say ""hi"""\n'
        "1,b,2020-01-02,1.5e3,0,\n"
        "1,c,2020-01-03,,,?\n"
        "1,d,2020-01-04,many,,\n"
        "1,e,2020-01-05,inf,,\n"
        "1,f,2020-01-06,,maybe,\n",
        PLAIN
        + '[task_attributes]\nt = "text"\nn = "number"\nb = "boolean"\n'
        + '[reading]\nmissing_values = ["?"]\n',
    )
    assert history.event_column("attributes") == [
        '{"b": true, "n": 20, "t": "say \\"hi\\""}',
        '{"b": false, "n": 1500}',
        "{}",
    ]
    assert history.rejected == [
        (4, "n", "many", Reason.NOT_A_NUMBER),
        (5, "n", "inf", Reason.NOT_A_NUMBER),
        (6, "b", "maybe", Reason.NOT_A_BOOLEAN),
    ]


def test_a_due_date_may_lie_ahead(read: Read) -> None:
    history = read(
        "case,activity,time,due\n1,a,2020-01-01,2100-01-01\n1,b,2020-01-02,someday\n",
        PLAIN + 'task_due = "due"\n',
    )
    assert [task["due_at"].year for task in history.tasks] == [2100]
    assert history.rejected == [(2, "due", "someday", Reason.UNPARSABLE_TIME)]
