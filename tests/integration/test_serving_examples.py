from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert

from pipelines.source.tables import people, tasks, workflows
from serving.example_facts import Facts, read_facts
from serving.examples import Examples, examples, with_examples

pytestmark = pytest.mark.integration

AS_OF = datetime(2016, 4, 1, tzinfo=UTC)
EARLIER = AS_OF - timedelta(seconds=1)


def workflow(name: str, days: int, **more: object) -> dict[str, Any]:
    opened = AS_OF - timedelta(days=days)
    blank = {"closed_at": None, "closure_recorded_at": None, "attributes": {"amount": 3, "x": []}}
    return {"workflow_id": name, "opened_at": opened, "recorded_at": opened} | blank | more


def task(name: str, workflow_id: str, days: int, **more: object) -> dict[str, Any]:
    row = {"task_id": name, "workflow_id": workflow_id, "activity": "check"}
    return row | {"created_at": AS_OF - timedelta(days=days), "completed_at": None} | more


@pytest.fixture
def filled(database: Engine) -> Engine:
    closed = {"closed_at": EARLIER, "closure_recorded_at": EARLIER}
    later = {"closed_at": EARLIER, "closure_recorded_at": AS_OF}  # not known yet
    with database.begin() as connection:
        connection.execute(
            insert(workflows),
            [
                workflow("old", 9),
                workflow("closed", 1, **closed),
                workflow("a", 2, **later),
                workflow("b", 3),
                workflow("future", -1),
            ],
        )
        connection.execute(
            insert(tasks),
            [
                task("of-closed", "closed", 1),
                task("done", "a", 1, completed_at=EARLIER),
                task("done-later", "a", 2, completed_at=AS_OF),
                task("open", "b", 3),
                task("older", "old", 4),
                task("to-come", "b", -1),
            ],
        )
        connection.execute(insert(people), [{"person_id": "ann"}, {"person_id": "bob"}])
    return database


def test_examples_are_of_the_latest_open_work_known(filled: Engine) -> None:
    found = examples(read_facts(filled, AS_OF))

    later = {"workflow_progress__due_at": "2016-04-08T00:00:00+00:00"}
    assert found["OneWorkflow"] == [
        {"workflow_id": "a"},
        {"workflow_id": "a", "overrides": later},
    ]
    assert found["RunningWorkflow"] == [{"workflow_id": "a"}]
    assert found["ManyWorkflows"] == [{"workflow_ids": ["a", "b"]}]
    assert found["NewWorkflow"] == [{"attributes": {"amount": 3}, "count": 3}]
    assert found["OneTask"] == [
        {"task_id": "done-later"},
        {"task_id": "done-later", "overrides": later},
    ]
    assert found["AssigneeOfTask"] == [
        {"task_id": "done-later", "count": 5},
        {
            "task_id": "done-later",
            "person_ids": ["ann", "bob"],
            "overrides": {"ann": {"held_task_count": 0}},
        },
    ]
    assert found["ManyTasks"] == [{"task_ids": ["done-later", "open"]}]
    assert found["AssigneeOfStep"] == [{"workflow_id": "a", "activity": "check", "count": 3}]
    assert found["AllocationQuestion"] == [
        {
            "tasks": [{"task_id": "done-later", "priority": 2}, {"task_id": "open"}],
            "people": [{"person_id": "ann"}, {"person_id": "bob", "max_tasks": 3}],
        }
    ]
    assert "GivenFeedback" not in found  # there is no prediction yet


def test_each_kind_of_question_is_there_to_choose() -> None:
    ref = "#/components/schemas/"
    one = {"description": "One.", "examples": [{"a": 0}]}
    media = {"application/json": {"schema": {"$ref": f"{ref}Question"}}}
    document = {
        "components": {
            "schemas": {
                "Question": {"oneOf": [{"$ref": f"{ref}One"}, {"$ref": f"{ref}Many"}]},
                "One": one,
                "Many": {"description": "Many."},
            }
        },
        "paths": {"/ask": {"post": {"requestBody": {"content": media}}, "get": {}}},
    }
    made = with_examples(document, {"One": [{"a": 1}, {"a": 2}]})

    assert made["components"]["schemas"]["One"] == {**one, "examples": [{"a": 1}, {"a": 2}]}
    operations = made["paths"]["/ask"]
    assert operations["post"]["requestBody"]["content"]["application/json"]["examples"] == {
        "One": {"summary": "One.", "value": {"a": 1}},
        "One 2": {"summary": "One.", "value": {"a": 2}},
    }
    assert operations["get"] == {}
    assert document["components"]["schemas"]["One"] == one  # type: ignore[index]


def test_the_database_is_asked_again_when_the_clock_moves(filled: Engine) -> None:
    kept = Examples(filled)
    assert kept.at(AS_OF)["OneTask"][0] == {"task_id": "done-later"}
    with filled.begin() as connection:
        connection.execute(insert(tasks), [task("new", "b", 0, created_at=EARLIER)])
    assert kept.at(AS_OF)["OneTask"][0] == {"task_id": "done-later"}
    assert kept.at(AS_OF + timedelta(seconds=1))["OneTask"][0] == {"task_id": "new"}


def test_without_a_database_the_page_has_its_general_examples() -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x")

    assert read_facts(nowhere, AS_OF) == Facts(AS_OF)
    assert examples(Facts(AS_OF)) == {}
