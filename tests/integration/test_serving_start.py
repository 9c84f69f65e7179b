"""The service answers, and starts, while PostgreSQL, and MLflow with it, is away."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from pipelines.source.migrate import migrate
from pipelines.source.platform_tables import predictions
from tests.conftest import TEMPLATE_DATABASE
from tests.integration.company_stack import bring_company_up, open_tasks
from tests.integration.own_postgres import OwnPostgres, own_postgres
from tests.integration.serving_stack import Stack, running_stack, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

Question = tuple[str, Mapping[str, Any]]

# What an answer says of how it came to be, and not of what was asked.
OF_ITSELF = ("prediction_id", "is_degraded", "degraded_because")
AWAY = "the source database does not answer: its copy in the lake is of "
STALE = "the clock of the features could not be read lately"
SKILLS = text(
    "SELECT skill_id FROM workflow.person_skills GROUP BY skill_id ORDER BY count(*) DESC LIMIT 1"
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        admin = create_engine(server.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{TEMPLATE_DATABASE}"'))
        admin.dispose()
        template = create_engine(server.url.set(database=TEMPLATE_DATABASE))
        migrate(template)
        template.dispose()
        yield server


@pytest.fixture(scope="module")
def stack(postgres: OwnPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Its connections do not live as long as it does.
    admin = create_engine(postgres.url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, postgres.url, admin, request_timeout_s="120") as made:
        bring_company_up(made)
        until(lambda: is_whole(made))
        yield made
    admin.dispose()


def is_whole(stack: Stack) -> bool:
    """Whether all models are there, and who did what is read."""
    models, ready = stack.get("/models").json()["models"], stack.get("/readyz")
    return (
        all(model["version"] for model in models)
        and ready.status_code == 200
        and not any("nobody can be recommended" in because for because in ready.json()["degraded"])
    )


@pytest.fixture(scope="module")
def of_source(stack: Stack) -> Sequence[Question]:
    """Questions that only the source database, or its copy, lets the service answer."""
    found = open_tasks(stack)[:6]
    task_ids = [one["task_id"] for one in found]
    task, workflow_id = task_ids[0], found[0]["workflow_id"]
    with stack.database.connect() as connection:
        skill = connection.scalar(SKILLS)
    people = stack.post("/recommend_assignees", {"task_id": task}).json()["candidates"]
    ids = [one["person_id"] for one in people]
    step = {"workflow_id": workflow_id, "activity": found[0]["activity"]}
    plan = {
        "tasks": [{"task_id": one} for one in task_ids],
        "people": [{"person_id": one} for one in ids],
    }
    return [
        ("/predict_duration", {"task_id": task}),
        ("/predict_duration", {"task_id": task, "person_id": ids[-1]}),
        ("/predict_duration", {"task_ids": task_ids}),
        ("/recommend_assignees", {"task_id": task}),
        ("/recommend_assignees", {"task_id": task, "required_skills": [skill]}),
        ("/recommend_assignees", {**step, "required_skills": [skill]}),
        ("/suggest_templates", {"workflow_id": workflow_id}),
        ("/recommend_allocation", plan),
    ]


@pytest.fixture(scope="module")
def of_features(stack: Stack) -> Sequence[Question]:
    """Questions that are answered from features and the history in the lake alone."""
    (task, *_) = open_tasks(stack)
    workflow = {"workflow_id": task["workflow_id"]}
    return [
        ("/predict_duration", workflow),
        ("/assess_risk", workflow),
        ("/recommend_assignees", {**workflow, "activity": task["activity"]}),
        ("/suggest_templates", {"client_id": "somebody", "priority": "high"}),
    ]


def answers(stack: Stack, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """What is said to each question, of a batch to each in it."""
    said = []
    for question in questions:
        response = stack.post(*question)
        assert response.status_code == 200, (question, response.text)
        body = response.json()
        assert not body.get("problems"), question
        said += body.get("answers", [body])
    return said


def figures(said: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in one if name not in OF_ITSELF} for one in said]


def refused(stack: Stack, question: Question) -> tuple[int, str]:
    response = stack.post(*question)
    return response.status_code, response.json()["type"].rpartition(":")[2]


@pytest.mark.parametrize("away", ["while it runs", "before it starts", "and MLflow, before"])
def test_without_its_database_a_worker_answers_as_with_it(
    stack: Stack,
    postgres: OwnPostgres,
    of_source: Sequence[Question],
    of_features: Sequence[Question],
    away: str,
) -> None:
    before = answers(stack, of_source), answers(stack, of_features)
    assert not any(one["is_degraded"] for said in before for one in said)
    spill = stack.settings.home / "spill" / "predictions"
    if away != "while it runs":
        stack.service.stop()
    stack.database.dispose()
    postgres.stop()
    if away == "and MLflow, before":
        stack.mlflow.stop(signal.SIGKILL)
    if away != "while it runs":
        stack.service.start()
        until(lambda: is_whole(stack))
    try:
        at_once = answers(stack, of_source)
        for one in at_once:
            assert one["is_degraded"]
            assert sum(because.startswith(AWAY) for because in one["degraded_because"]) == 1
        until(lambda: STALE in answers(stack, of_features)[0]["degraded_because"], 30)
        without = answers(stack, of_source), answers(stack, of_features)
        assert [one["degraded_because"] for one in without[1]] == [[STALE]] * 4
        assert figures(at_once) == figures(without[0]) == figures(before[0])
        assert figures(without[1]) == figures(before[1])
        for path, unknown in (
            ("/predict_duration", {"task_id": "nothing"}),
            ("/recommend_assignees", {"task_id": "nothing"}),
            ("/suggest_templates", {"workflow_id": "nothing"}),
            ("/recommend_allocation", {**of_source[-1][1], "people": [{"person_id": "nobody"}]}),
        ):
            assert refused(stack, (path, unknown)) == (503, "history-away")

        ready = stack.get("/readyz").json()
        assert ready["is_ready"]
        assert "tasks and people are looked up in the lake's copy: no database" in ready["degraded"]
        until(lambda: 'workcast_degraded{part="source"} 1' in stack.get("/metrics").text, 30)
        until(lambda: list(spill.glob("*.jsonl")), 30)
        no_database = "the prediction log goes to disk: no database"
        until(lambda: no_database in stack.get("/readyz").json()["degraded"], 30)
    finally:
        postgres.start()
        if away == "and MLflow, before":
            stack.mlflow.start()
    until(lambda: stack.get("/readyz").json()["degraded"] == [])
    until(lambda: list(spill.iterdir()) == [], 30)
    ids = [one["prediction_id"] for said in without for one in said]
    with stack.database.connect() as connection:
        query = select(predictions.c.is_degraded).where(predictions.c.prediction_id.in_(ids))
        assert list(connection.scalars(query)) == [True] * len(ids)
    after = answers(stack, of_source), answers(stack, of_features)
    assert [figures(said) for said in after] == [figures(said) for said in before]
    assert not any(one["is_degraded"] for said in after for one in said)
    assert refused(stack, ("/predict_duration", {"task_id": "nothing"})) == (404, "unknown-task")
