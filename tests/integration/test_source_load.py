"""A history is loaded whole or not at all, and knowledge only ever grows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, Table, create_engine, func, select, text

from pipelines.errors import SourceError
from pipelines.source.load import LoadCounts, load_history
from pipelines.source.tables import (
    clients,
    people,
    rejected_rows,
    task_dependencies,
    task_events,
    tasks,
    teams,
    template_tasks,
    templates,
    workflows,
)
from tests.source.history_files import (
    Row,
    at,
    event,
    refused,
    task,
    workflow,
    write_history,
)

pytestmark = pytest.mark.integration


@pytest.fixture(params=["superuser", "ordinary user"])
def writer(request: pytest.FixtureRequest, database: Engine) -> Iterator[Engine]:
    """Who may switch the row-by-row checks off, and who may not: both load the same."""
    if request.param == "superuser":
        yield database
        return
    name = f"loader_{uuid4().hex[:8]}"
    with database.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
        for schema in ("workflow", "workcast"):
            for what in (f"SCHEMA {schema}", f"ALL TABLES IN SCHEMA {schema}"):
                connection.execute(text(f"GRANT ALL ON {what} TO {name}"))
    engine = create_engine(database.url.set(username=name))
    yield engine
    engine.dispose()
    with database.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))


def rows(engine: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        chosen = [table.c[name] for name in columns]
        return [tuple(row) for row in connection.execute(select(*chosen).order_by(*chosen))]


def one(engine: Engine, table: Table) -> Row:
    with engine.connect() as connection:
        return dict(connection.execute(select(table)).mappings().one())


def load(engine: Engine, folder: Path, **history: Any) -> LoadCounts:
    return load_history(engine, write_history(folder / uuid4().hex, **history), uuid4())


def test_ids_are_added_and_rows_are_kept_as_they_are(writer: Engine, tmp_path: Path) -> None:
    text_with_everything = 'a "quote", a comma\nand a line, \\N, é'
    counts = load(
        writer,
        tmp_path,
        workflows=[
            workflow("w1", 0, 5, template_id="t", client_id="", priority="high", due_at=at(9),
                     outcome="done", outcome_is_late=True, attributes='{"amount": 1.50}'),
            workflow("w2", 1),
        ],
        tasks=[task("k1", "w1", person_id="ann", team_id="north", created_at=at(0))],
        events=[
            event("k1", "w1", 2, person_id="ann", activity=text_with_everything),
            event("k1", "w1", 1, transition="started", team_id="south", sequence=7),
        ],
        rejected=[refused(3, column_name="when", value="??")],
    )  # fmt: skip
    assert counts == LoadCounts(2, 0, 1, 0, 2, 0, 1)
    assert rows(writer, clients, "client_id") == [("",)]
    assert rows(writer, templates, "template_id") == [("t",)]
    assert rows(writer, people, "person_id") == [("ann",)]
    assert rows(writer, teams, "team_id") == [("north",), ("south",)]
    assert rows(
        writer, workflows, "workflow_id", "client_id", "closed_at", "outcome_is_late", "attributes"
    ) == [("w1", "", at(5), True, {"amount": 1.5}), ("w2", None, None, None, {})]
    assert rows(writer, task_events, "sequence", "activity", "person_id", "occurred_at") == [
        (0, text_with_everything, "ann", at(2)),
        (7, "check", None, at(1)),
    ]
    assert rows(writer, rejected_rows, "row_number", "column_name", "value", "reason") == [
        (3, "when", "??", "missing key")
    ]


def test_loading_again_adds_nothing(writer: Engine, tmp_path: Path) -> None:
    history = {
        "workflows": [workflow("w1", 0, 5)],
        "tasks": [task("k1", "w1", created_at=at(0), completed_at=at(2))],
        "events": [event("k1", "w1", 2)],
    }
    load(writer, tmp_path, **history)
    before = [one(writer, table) for table in (workflows, tasks, task_events)]
    assert load(writer, tmp_path, **history) == LoadCounts(0, 1, 0, 1, 0, 1, 0)
    assert [one(writer, table) for table in (workflows, tasks, task_events)] == before


OPEN = workflow("w1", 1, priority="low", client_id="c")
CLOSED = workflow("w1", 1, 9, outcome="done", outcome_is_late=False)
EARLIER = workflow("w1", 0, priority="high", due_at=at(8))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            [OPEN, CLOSED],
            {"closed_at": at(9), "outcome": "done", "outcome_is_late": False, "priority": "low"},
            id="a later file closes",
        ),
        pytest.param(
            [CLOSED, OPEN],
            {"closed_at": at(9), "closure_recorded_at": at(9), "outcome": "done"},
            id="an older file does not open again",
        ),
        pytest.param(
            [CLOSED, workflow("w1", 1, 12, outcome="reopened")],
            {"closed_at": at(12), "outcome": "reopened", "outcome_is_late": None},
            id="the later closing holds",
        ),
        pytest.param(
            [workflow("w1", 1, 12, outcome="reopened"), CLOSED],
            {"closed_at": at(12), "outcome": "reopened"},
            id="the earlier closing does not come back",
        ),
        pytest.param(
            [OPEN, EARLIER],
            {"opened_at": at(0), "recorded_at": at(0), "priority": "high", "client_id": "c",
             "due_at": at(8)},
            id="the earliest opening holds",
        ),
        pytest.param(
            [EARLIER, OPEN],
            {"opened_at": at(0), "recorded_at": at(0), "priority": "high", "client_id": "c"},
            id="a later file does not move the opening",
        ),
    ],
)  # fmt: skip
def test_a_workflow_is_completed_never_forgotten(
    database: Engine, tmp_path: Path, files: list[Row], expected: Row
) -> None:
    for file in files:
        load(database, tmp_path, workflows=[file])
    found = one(database, workflows)
    assert {name: found[name] for name in expected} == expected


def test_a_task_is_completed_never_forgotten(database: Engine, tmp_path: Path) -> None:
    whole = [workflow("w1", 0)]
    early = task("k1", "w1", person_id="ann", created_at=at(0), started_at=at(1))
    late = task("k1", "w1", person_id="bob", started_at=at(2), completed_at=at(3), due_at=at(4))
    for one_task in (early, late, early):
        load(database, tmp_path, workflows=whole, tasks=[one_task])
    found = one(database, tasks)
    assert (found["person_id"], found["due_at"]) == ("bob", at(4))
    assert [found[f"{name}_at"] for name in ("created", "started", "completed")] == [
        at(0), at(1), at(3),
    ]  # fmt: skip


def test_many_pieces_are_one_history(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.source.staging._BATCH_ROWS", 7)
    monkeypatch.setattr("pipelines.source.staging._CHUNK_BATCHES", 2)
    told: list[tuple[int, int]] = []
    files = write_history(
        tmp_path,
        workflows=[workflow(f"w{i}", i) for i in range(30)],
        tasks=[task(f"k{i}", f"w{i}") for i in range(30)],
        events=[event(f"k{i}", f"w{i}", i, person_id=f"p{i % 4}") for i in range(30)],
    )
    counts = load_history(database, files, uuid4(), lambda done, total: told.append((done, total)))
    assert (counts.workflows_added, counts.tasks_added, counts.events_added) == (30, 30, 30)
    assert told == [(n, 90) for n in (14, 28, 30, 44, 58, 60, 74, 88, 90)]


def test_master_tables_come_along(database: Engine, tmp_path: Path) -> None:
    history = {
        "workflows": [workflow("w1", 0, template_id="t")],
        "tasks": [task("k1", "w1"), task("k2", "w1")],
        "master": {
            "task_dependencies": [{"task_id": "k2", "predecessor_id": "k1"}],
            "template_tasks": [
                {"template_id": "t", "activity": "b", "predecessors": ["a, {x}", 'say "\\"'],
                 "expected_service_time_s": 60.0},
                {"template_id": "t", "activity": "a", "predecessors": [],
                 "expected_service_time_s": None},
            ],
            "templates": [{"template_id": "t", "name": "Offer"}],
            "people": [{"person_id": "ann", "capacity": 2, "working_hours": '{"1": []}'}],
        },
    }  # fmt: skip
    load(database, tmp_path, **history)
    load(database, tmp_path, **history)
    assert rows(database, templates, "template_id", "name") == [("t", "Offer")]
    assert rows(database, template_tasks, "activity", "predecessors") == [
        ("a", []),
        ("b", ["a, {x}", 'say "\\"']),
    ]
    assert rows(database, task_dependencies, "task_id", "predecessor_id") == [("k2", "k1")]
    assert one(database, people)["working_hours"] == {"1": []}


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"tasks": [task("k1", "nowhere")]}, "nowhere"),
        (
            {
                "workflows": [workflow("w1", 0), workflow("w2", 0)],
                "tasks": [task("k1", "w1")],
                "events": [event("k1", "w2", 1)],
            },
            "k1",
        ),
        ({"workflows": [workflow("w1", 5, 4)]}, "closed_after_opened"),
        (
            {
                "workflows": [workflow("w1", 0)],
                "tasks": [task("k1", "w1", started_at=at(2), completed_at=at(1))],
            },
            "completed_after_started",
        ),
        (
            {
                "workflows": [workflow("w1", 0)],
                "tasks": [task("k1", "w1")],
                "events": [event("k1", "w1", 1, transition="vanished")],
            },
            "transition_known",
        ),
        (
            {
                "workflows": [workflow("w1", 0)],
                "tasks": [task("k1", "w1")],
                "events": [event("k1", "w1", 3, recorded_at=at(2))],
            },
            "recorded_after_occurred",
        ),
        ({"workflows": [workflow("w1", 0, attributes="{")]}, "invalid input syntax for type json"),
        ({"master": {"people": [{"person_id": "ann", "shoe_size": 40}]}}, "shoe_size"),
        ({"master": {"secrets": [{"secret_id": "x"}]}}, "secrets"),
        ({"master": {"people": [{"person_id": "ann", "capacity": 0}]}}, "capacity_positive"),
    ],
)
def test_what_does_not_fit_is_refused_whole(
    writer: Engine, tmp_path: Path, history: dict[str, Any], message: str
) -> None:
    good = {"workflows": [workflow("good", 0)], "rejected": [refused(1)]}
    merged = {**good, **history}
    merged["workflows"] = [*good["workflows"], *history.get("workflows", [])]
    with pytest.raises(SourceError, match=message):
        load(writer, tmp_path, **merged)
    with writer.connect() as connection:
        for table in (workflows, tasks, task_events, people, rejected_rows):
            assert connection.scalar(select(func.count()).select_from(table)) == 0, table.name


def test_a_connection_that_dies_leaves_nothing_behind(database: Engine, tmp_path: Path) -> None:
    def cut_off(done: int, _total: int) -> None:
        if done == 2:
            with database.connect() as other:
                other.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )

    files = write_history(
        tmp_path,
        workflows=[workflow("w1", 0)],
        tasks=[task("k1", "w1")],
        events=[event("k1", "w1", 1)],
    )
    with pytest.raises(SourceError, match="nothing of it is kept"):
        load_history(database, files, uuid4(), cut_off)
    database.dispose()
    assert rows(database, workflows, "workflow_id") == []
    assert load_history(database, files, uuid4()).events_added == 1
