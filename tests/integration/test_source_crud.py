"""Records are written and read as they are; what the constraints refuse is told by value."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from pipelines.contracts import Transition
from pipelines.errors import NotFoundError, SourceError
from pipelines.source.crud import (
    append_event,
    close_workflow,
    create,
    delete,
    find,
    get,
    update,
)
from pipelines.source.records import (
    Client,
    Leave,
    Person,
    PersonSkill,
    Record,
    Skill,
    Task,
    TaskEvent,
    Team,
    Template,
    TemplateTask,
    Workflow,
)
from tests.source.history_files import at

pytestmark = pytest.mark.integration

RECORDS: list[Record] = [
    Client("c1", "Alder Stores", {"size": "small"}),
    Team("north", "North"),
    Person("ann", "Ann", "north", "Europe/Rome", {"1": [["09:00", "17:00"]]}, 2, 1.5, at(0)),
    Leave("ann", at(0), at(48), "holiday"),
    Skill("legal", "Legal"),
    PersonSkill("ann", "legal", 0.5),
    Template("offer", "Offer"),
    TemplateTask("offer", "draft", 1, ["check", "call"], "legal", "north", 3600.0),
    Workflow("w1", at(0), "offer", "c1", "high", at(9), recorded_at=at(0)),
    Task("k1", "w1", "draft", created_at=at(0)),
]


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as connection:
        for record in RECORDS:
            create(connection, record)
        yield connection


def key_of(record: Any) -> tuple[object, ...]:
    if isinstance(record, Leave):
        return record.person_id, record.starts_at
    values = list(vars(record).values())
    return tuple(values[: 2 if isinstance(record, PersonSkill | TemplateTask) else 1])


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_created_is_read_back(connection: Connection, record: Record) -> None:
    assert get(connection, type(record), *key_of(record)) == record
    with pytest.raises(SourceError, match=r"was not created: .*already exists"):
        create(connection, record)


@pytest.mark.parametrize(
    "changed",
    [
        Client("c1"),
        Person("ann", capacity=3, team_id="north"),
        TemplateTask("offer", "draft", predecessors=[]),
        Task("k1", "w1", "draft", "ann", "north", started_at=at(1), completed_at=at(2)),
    ],
)
def test_updated_is_read_back(connection: Connection, changed: Record) -> None:
    update(connection, changed)
    assert get(connection, type(changed), *key_of(changed)) == changed


def test_an_update_keeps_when_it_was_recorded(connection: Connection) -> None:
    update(connection, Workflow("w1", at(1), priority="low"))
    assert get(connection, Workflow, "w1") == Workflow(
        "w1", at(1), priority="low", recorded_at=at(0)
    )


def test_deleted_is_gone(connection: Connection) -> None:
    delete(connection, Leave, "ann", at(0))
    with pytest.raises(NotFoundError, match="'ann'"):
        get(connection, Leave, "ann", at(0))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: create(c, Task("k2", "nowhere", "draft")), SourceError, "nowhere"),
        (lambda c: create(c, Person("bob", capacity=0)), SourceError, "capacity_positive"),
        (lambda c: create(c, Leave("ann", at(9), at(8))), SourceError, "ends_after_start"),
        (lambda c: create(c, PersonSkill("ann", "none", 0.1)), SourceError, "none"),
        (lambda c: create(c, TemplateTask("offer", "x", predecessors=["x"])),
         SourceError, "not_before_itself"),
        (lambda c: update(c, Workflow("w1", at(5), closed_at=at(4), closure_recorded_at=at(5))),
         SourceError, "closed_after_opened"),
        (lambda c: update(c, Workflow("w1", at(0), closed_at=at(4))),
         SourceError, "closure_is_recorded"),
        (lambda c: update(c, Client("c9")), NotFoundError, "Client 'c9'"),
        (lambda c: delete(c, Client, "c9"), NotFoundError, "Client 'c9'"),
        (lambda c: delete(c, Client, "c1"), SourceError, "c1.*still referenced"),
        (lambda c: get(c, Leave, "ann"), SourceError, "person_id, starts_at"),
        (lambda c: find(c, Client, colour="red"), SourceError, "colour"),
        (lambda c: close_workflow(c, "w9", at(1)), NotFoundError, "w9"),
        (lambda c: close_workflow(c, "w1", at(-1)), SourceError, "closed_after_opened"),
        (lambda c: append_event(c, TaskEvent("w9", "k1", "draft", Transition.STARTED, at(1))),
         SourceError, "w9"),
    ],
)  # fmt: skip
def test_refusals_name_the_value_and_leave_the_transaction_usable(
    connection: Connection, change: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        change(connection)
    for record in RECORDS:
        assert get(connection, type(record), *key_of(record)) == record


def test_found_by_value_in_order(connection: Connection) -> None:
    for number in (3, 1, 2):
        create(connection, Task(f"t{number}", "w1", "call"))
    found = find(connection, Task, workflow_id="w1", activity="call", limit=2, offset=1)
    assert [task.task_id for task in found] == ["t2", "t3"]


def test_events_bring_the_task_up_to_date(connection: Connection) -> None:
    steps = [
        (Transition.ASSIGNED, at(1)),
        (Transition.STARTED, at(2)),
        (Transition.SUSPENDED, at(3)),
        (Transition.COMPLETED, at(4)),
    ]
    event = TaskEvent("w1", "k1", "draft", Transition.CREATED, at(0), "ann", "north", {"n": 1})
    ids = [
        append_event(connection, replace(event, transition=transition, occurred_at=moment))
        for transition, moment in steps
    ]
    assert get(connection, Task, "k1") == Task(
        "k1", "w1", "draft", "ann", "north", at(0), at(2), at(4)
    )
    events = sorted(find(connection, TaskEvent), key=lambda found: found.sequence or 0)
    assert [found.event_id for found in events] == ids
    assert [found.transition for found in events] == [transition for transition, _ in steps]
    recorded = [found.recorded_at for found in events]
    assert None not in recorded
    assert recorded == sorted(recorded)  # type: ignore[type-var]


def test_a_closing_is_known_from_now_on(connection: Connection) -> None:
    close_workflow(connection, "w1", at(5), "won", outcome_is_late=False)
    closed = get(connection, Workflow, "w1")
    assert (closed.closed_at, closed.outcome, closed.outcome_is_late) == (at(5), "won", False)
    assert closed.closure_recorded_at is not None
    assert closed.closure_recorded_at - at(5) > timedelta(days=300)
