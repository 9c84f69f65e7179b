"""Tasks and people of the source, in a real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, func, insert, select, text

from pipelines.source.tables import (
    people,
    person_skills,
    skills,
    task_events,
    tasks,
    template_tasks,
    templates,
    workflows,
)
from serving.problems import HistoryAwayError
from serving.source_reads import SourceReads
from serving.tasks import SourceHistory
from tests.serving.conftest import NOWHERE

pytestmark = pytest.mark.integration


@pytest.fixture
def history(database: Engine) -> SourceHistory:
    with database.begin() as connection:
        connection.execute(insert(skills), [{"skill_id": "law", "name": "Law"}])
        connection.execute(
            insert(people),
            [{"person_id": one, "name": one, "team_id": None} for one in ("ann", "bob")],
        )
        connection.execute(insert(person_skills), [{"person_id": "ann", "skill_id": "law"}])
    return SourceHistory(SourceReads(database))


def test_people_are_found_by_any_number_of_ids(history: SourceHistory) -> None:
    found = history.people(["bob", "ann", "nobody"])
    assert {one: set(person.skills) for one, person in found.items()} == {
        "ann": {"law"},
        "bob": set(),
    }
    assert (history.people(["nobody"]), history.people([]), history.tasks([])) == ({}, {}, {})


def test_tasks_come_with_what_their_templates_ask_for(
    history: SourceHistory, database: Engine
) -> None:
    opened_at = datetime(2024, 5, 1, tzinfo=UTC)
    with database.begin() as connection:
        connection.execute(
            insert(templates), [{"template_id": one, "name": one} for one in ("own", "other")]
        )
        connection.execute(
            insert(template_tasks),
            [
                {"template_id": "own", "activity": "draft", "skill_id": "law"},
                {"template_id": "own", "activity": "send", "skill_id": None},
                {"template_id": "other", "activity": "check", "skill_id": "law"},
            ],
        )
        connection.execute(
            insert(workflows),
            [
                {"workflow_id": workflow_id, "template_id": template_id, "opened_at": opened_at}
                for workflow_id, template_id in (("w", "own"), ("loose", None))
            ],
        )
        connection.execute(
            insert(tasks),
            [
                {"task_id": task_id, "workflow_id": workflow_id, "activity": activity}
                for task_id, workflow_id, activity in (
                    ("drafted", "w", "draft"),
                    ("sent", "w", "send"),
                    ("unforeseen", "w", "check"),
                    ("of no template", "loose", "draft"),
                    ("not asked for", "w", "draft"),
                )
            ],
        )
    asked = ["drafted", "sent", "unforeseen", "of no template", "nothing"]
    found, wanted = history.with_skills(asked)
    assert found == history.tasks(asked)
    assert wanted == {
        "drafted": {"law"},
        "sent": set(),
        "unforeseen": set(),
        "of no template": set(),
    }


@pytest.fixture
def opened_at(database: Engine) -> datetime:
    """When two workflows were opened: w has a task at once and one an hour later, other at two."""
    at = datetime(2024, 5, 1, tzinfo=UTC)
    opened = {"workflow_id": "w", "priority": "high", "attributes": {"amount": 1.5}}
    with database.begin() as connection:
        connection.execute(
            insert(workflows),
            [
                {**opened, "opened_at": at},
                {"workflow_id": "other", "priority": None, "attributes": {}, "opened_at": at},
            ],
        )
        for place, workflow_id in enumerate(("w", "w", "other")):
            told = {"workflow_id": workflow_id, "task_id": f"t{place}", "activity": "check"}
            connection.execute(insert(tasks), [told])
            moment = at + timedelta(hours=place)
            connection.execute(
                insert(task_events),
                [
                    told
                    | {"transition": "started", "person_id": "ann", "attributes": {"n": place}}
                    | {"occurred_at": at, "recorded_at": moment, "sequence": place}
                ],
            )
    return at


def tasks_of(events: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {of: sorted(one["task_id"] for one in rows) for of, rows in events.items()}


def test_a_workflows_events_are_those_that_had_been_recorded(
    history: SourceHistory, opened_at: datetime
) -> None:
    assert history.events(["w", "other"], opened_at + timedelta(hours=1)) == {
        "w": [
            {
                "workflow_id": "w",
                "task_id": "t0",
                "activity": "check",
                "team_id": None,
                "person_id": "ann",
                "occurred_at": opened_at,
                "recorded_at": opened_at,
                "sequence": 0,
                "attributes": '{"n": 0}',
                "template_id": None,
                "client_id": None,
                "priority": "high",
                "workflow_attributes": '{"amount": 1.5}',
                "closure_recorded_at": None,
            }
        ]
    }
    later = history.events(["w"], opened_at + timedelta(hours=1, microseconds=1))
    assert tasks_of(later) == {"w": ["t0", "t1"]}


@pytest.fixture
def statements(database: Engine) -> list[str]:
    """The texts of what the database is asked from now on."""
    asked: list[str] = []
    event.listen(database, "before_cursor_execute", lambda *told: asked.append(told[2]))
    return asked


def test_the_events_of_any_number_of_workflows_are_one_statement(
    statements: list[str], history: SourceHistory, opened_at: datetime
) -> None:
    statements.clear()
    end = opened_at + timedelta(days=1)
    found = history.events(["other", "nobody", "w", "w"], end)
    assert tasks_of(found) == {"w": ["t0", "t1"], "other": ["t2"]}
    assert found["other"] == history.events(["other"], end)["other"]
    assert (history.events(["nobody"], end), history.events([], end)) == ({}, {})
    assert (len(statements), len(set(statements))) == (4, 1)


def test_a_connection_that_was_cut_off_costs_no_answer(
    history: SourceHistory, database: Engine
) -> None:
    assert set(history.people(["ann"])) == {"ann"}
    others = create_engine(database.url)
    with others.begin() as connection:
        ended = connection.scalars(
            select(func.pg_terminate_backend(text("pid")))
            .select_from(text("pg_stat_activity"))
            .where(text("datname = current_database() AND pid <> pg_backend_pid()"))
        ).all()
    others.dispose()
    assert any(ended)
    assert set(history.people(["ann"])) == {"ann"}


def test_a_database_that_is_away_is_said() -> None:
    with pytest.raises(HistoryAwayError, match="ask again"):
        SourceHistory(SourceReads(create_engine(NOWHERE))).people(["ann"])
