from uuid import UUID

import pytest

from pipelines.history.rejections import Reason
from tests.history.conftest import PLAIN, History, Read

HEADER = "case,activity,time,step,who\n"
STEPS = PLAIN + 'transition = "step"\nperson = "who"\n'


def days(history: History, name: str) -> list[int | None]:
    return [row[name] and row[name].day for row in history.workflows]


def test_events_are_ordered_by_time_then_row(read: Read) -> None:
    history = read(
        "case,activity,time\n"
        "1,late,2020-01-03\n1,first,2020-01-02\n1,second,2020-01-02\n1,early,2020-01-01\n"
    )
    assert history.event_column("activity") == ["early", "first", "second", "late"]
    assert history.event_column("sequence") == [1, 2, 3, 4]


def test_tasks_are_paired_within_workflow_and_activity(read: Read) -> None:
    history = read(
        HEADER + "1,a,2020-01-01,schedule,\n"
        "1,a,2020-01-02,start,p\n"
        "2,a,2020-01-02,start,q\n"
        "1,b,2020-01-03,complete,p\n"
        "1,a,2020-01-04,start,r\n"
        "1,a,2020-01-05,complete,\n"
        "1,a,2020-01-06,withdraw,s\n",
        STEPS,
    )
    said = [
        (
            task["task_id"],
            task["person_id"],
            *(task[f"{step}_at"] and task[f"{step}_at"].day for step in (
                "created", "started", "completed", "cancelled"
            )),
        )
        for task in history.tasks
    ]  # fmt: skip
    assert said == [
        ("1/a/1", "p", 1, 2, 5, None),
        ("1/b/1", "p", None, None, 3, None),
        ("1/a/2", "s", None, 4, None, 6),
        ("2/a/1", "q", None, 2, None, None),
    ]


def test_a_tasks_own_name_counts_and_a_completion_before_its_start_does_not(read: Read) -> None:
    history = read(
        "case,activity,time,step,task\n"
        "1,a,2020-01-01,complete,x\n"
        "1,a,2020-01-02,start,x\n"
        "1,a,2020-01-03,start,y/z\n"
        "1,a,2020-01-04,complete,y/z\n"
        "1,a,2020-01-05,complete,x\n"
        "1,a,2020-01-06,complete,\n"
        "1,b,2020-01-06,complete,x\n",
        PLAIN + 'transition = "step"\ntask = "task"\n',
    )
    assert [
        (task["task_id"], task["started_at"] and task["started_at"].day, task["completed_at"].day)
        for task in history.tasks
    ] == [
        ("1/a/id=x", 2, 5),
        ("1/a/id=y%2Fz", 3, 4),
        ("1/a/1", None, 6),
        ("1/b/id=x", None, 6),
    ]
    assert history.rejected == [
        (1, "time", "2020-01-01T00:00:00.000000Z", Reason.COMPLETION_BEFORE_START)
    ]


def test_tasks_of_ids_with_slashes_stay_apart(read: Read) -> None:
    history = read("case,activity,time\na/b,c,2020-01-01\na,b/c,2020-01-01\n")
    assert sorted(task["task_id"] for task in history.tasks) == ["a%2Fb/c/1", "a/b/c/1"]


def test_only_rows_equal_in_everything_mapped_are_duplicates(read: Read) -> None:
    log = (
        "case,activity,time,n,note\n"
        "1,a,2020-01-01,1,x\n1,a,2020-01-01,2,x\n2,a,2020-01-01,1,x\n"
        "1,a,2020-01-01,1,y\n1,a,2020-01-01,1,x\n"
    )
    history = read(log, PLAIN + '[task_attributes]\nn = "number"\n')
    assert history.rejected == [
        (4, None, "same as row 1", Reason.DUPLICATE_EVENT),
        (5, None, "same as row 1", Reason.DUPLICATE_EVENT),
    ]
    assert len(history.events) == 3
    noted = read(log, PLAIN + '[task_attributes]\nn = "number"\nnote = "text"\n')
    assert noted.reasons == [(5, Reason.DUPLICATE_EVENT)]


def test_event_ids_depend_on_the_event_alone(read: Read) -> None:
    rows = "1,a,2020-01-01,start,p\n1,a,2020-01-02,complete,p\n2,b,2020-01-01,,\n"
    extended = HEADER.replace("who", "who,n") + "".join(
        f"{row},{place}\n" for place, row in enumerate([*rows.split(), "0,b,2020-01-03,,"])
    )
    first = read(HEADER + rows, STEPS)
    again = read(extended, STEPS + '[task_attributes]\nn = "number"\n')
    ids = set(first.event_column("event_id"))
    assert len(ids) == 3
    assert ids < set(again.event_column("event_id"))
    assert all(str(UUID(text)) == text for text in ids)
    # Kept from release to release: other ids would import a history twice.
    assert first.events[0]["event_id"] == "6d9bc1ae-1d46-a516-edce-4e51ba616480"


def test_equal_events_are_told_apart_by_their_order(read: Read) -> None:
    log = "case,activity,time,n\n" + "".join(f"1,a,2020-01-01,{n}\n" for n in range(3))
    ids = read(log, PLAIN + '[task_attributes]\nn = "number"\n').event_column("event_id")
    assert len(set(ids)) == 3
    fewer = log.rsplit("\n", 2)[0]
    assert (
        read(fewer, PLAIN + '[task_attributes]\nn = "number"\n').event_column("event_id")
        == (ids[:2])
    )


def test_a_workflow_is_what_its_first_row_says_and_ends_as_its_last(read: Read) -> None:
    history = read(
        "case,activity,time,kind,client,prio,due,kept,size\n"
        "1,b,2020-01-02,K2,C2,high,2020-02-02,no,9\n"
        "1,a,2020-01-01,K1,C1,low,2030-02-01,yes,1\n"
        "1,end,2020-01-03,K3,C3,top,2020-02-03,FALSE,9\n"
        "2,a,2020-01-01,,,,,no,\n"
        "3,end,2020-01-04,,,,,yes,\n"
        "4,end,2020-01-05,,,,,,\n",
        PLAIN
        + 'template = "kind"\nclient = "client"\npriority = "prio"\nworkflow_due = "due"\n'
        + 'outcome = "kept"\n[workflow_attributes]\nsize = "number"\n'
        + '[outcome]\nlate_values = ["no", "False"]\n[closing]\nactivities = ["end"]\n',
    )
    first, second, third, fourth = history.workflows
    assert (first["template_id"], first["client_id"], first["priority"]) == ("K1", "C1", "low")
    assert (first["due_at"].year, first["attributes"]) == (2030, '{"size": 1}')
    assert (first["outcome"], first["outcome_is_late"]) == ("FALSE", True)
    assert days(history, "opened_at") == [1, 1, 4, 5]
    assert days(history, "closed_at") == [3, None, 4, 5]
    assert days(history, "closure_recorded_at") == [3, None, 4, 5]
    assert (second["outcome"], second["outcome_is_late"]) == (None, None)
    assert third["outcome_is_late"] is False
    assert fourth["outcome_is_late"] is None


@pytest.mark.parametrize(
    ("closing", "closed"),
    [
        ('activities = ["end"]', [None, 6, None, None]),
        ("quiet_days = 4", [5, 6, None, None]),
        ("quiet_days = 5", [5, None, None, None]),
        ('activities = ["end"]\nquiet_days = 5', [5, 6, None, None]),
        ("", [5, None, None, None]),  # gaps of 4, 1, 1 and 5 days: 95 % lie below 4.85
    ],
)
def test_a_workflow_closes_by_activity_or_by_silence(
    read: Read, closing: str, closed: list[int | None]
) -> None:
    history = read(
        HEADER + "1,a,2020-01-01,,\n1,b,2020-01-05,,\n"
        "2,a,2020-01-05,,\n2,end,2020-01-06,,\n"
        "3,a,2020-01-07,,\n3,end,2020-01-08,start,\n"
        "4,a,2020-01-05,,\n4,b,2020-01-10,,\n",
        STEPS + f"[closing]\n{closing}\n",
    )
    assert days(history, "closed_at") == closed


def test_a_log_without_gaps_has_no_open_workflow(read: Read) -> None:
    history = read("case,activity,time\n1,a,2020-01-01\n2,a,2020-01-02\n")
    assert days(history, "closed_at") == [1, 2]


def test_the_same_log_gives_the_same_bytes(read: Read) -> None:
    log = HEADER + "".join(
        f"{n % 50},a{n % 3},2020-01-{n % 28 + 1:02},{'start' if n % 2 else 'complete'},p{n % 5}\n"
        for n in range(3_000)
    )
    first = read(log, STEPS)
    before = [path.read_bytes() for path in (first.files.task_events, first.files.tasks)]
    second = read(log, STEPS)
    assert before == [path.read_bytes() for path in (second.files.task_events, second.files.tasks)]
    assert first.files.read_count == len(first.events) + len(first.rejected) == 3_000


def test_everything_refused_is_still_a_history(read: Read) -> None:
    history = read("case,activity,time\n1,a,never\n")
    assert (history.events, history.tasks, history.workflows) == ([], [], [])
    assert history.reasons == [(1, Reason.UNPARSABLE_TIME)]
