"""The service starts and answers while PostgreSQL, and MLflow with it, is away."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from pipelines.source.migrate import migrate
from pipelines.source.platform_tables import predictions
from tests.conftest import TEMPLATE_DATABASE
from tests.integration.own_postgres import OwnPostgres, own_postgres
from tests.integration.serving_stack import Stack, bring_up, running_stack, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

Answers = dict[str, Any]


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
    with running_stack(folder, postgres.url, admin, cache_ttl_s="0") as made:
        bring_up(made)
        yield made
    admin.dispose()


def ask(stack: Stack, workflow_id: str) -> Answers:
    """What both models say of a workflow."""
    return {
        endpoint: stack.post(endpoint, {"workflow_id": workflow_id}).json()
        for endpoint in ("/predict_duration", "/assess_risk")
    }


def figures(answers: Answers) -> tuple[float, float, str]:
    return (
        answers["/predict_duration"]["remaining_time_s"],
        answers["/assess_risk"]["late_probability"],
        answers["/assess_risk"]["as_of"],
    )


@pytest.mark.parametrize("is_mlflow_there", [True, False])
def test_a_worker_that_starts_without_its_database_answers(
    stack: Stack, postgres: OwnPostgres, is_mlflow_there: bool
) -> None:
    (workflow_id, *_) = stack.running()
    before = ask(stack, workflow_id)
    spill = stack.settings.home / "spill" / "predictions"
    stack.service.stop()
    stack.database.dispose()
    postgres.stop()
    if not is_mlflow_there:
        stack.mlflow.stop(signal.SIGKILL)
    stack.service.start()
    try:
        ready = until(lambda: (r := stack.get("/readyz")).status_code == 200 and r.json())
        assert "the clock of the features is not up to date: no database" in ready["degraded"]
        assert sum("goes on" in reason or "MLflow" in reason for reason in ready["degraded"]) >= 2
        without = ask(stack, workflow_id)
        assert figures(without) == figures(before)
        assert [answer["degraded_because"] for answer in without.values()] == [
            ["the clock of the features could not be read lately"]
        ] * 2
        until(lambda: list(spill.glob("*.jsonl")), 30)
        no_database = "the prediction log goes to disk: no database"
        until(lambda: no_database in stack.get("/readyz").json()["degraded"], 30)
    finally:
        postgres.start()
        if not is_mlflow_there:
            stack.mlflow.start()
    until(lambda: stack.get("/readyz").json()["degraded"] == [])
    until(lambda: list(spill.iterdir()) == [], 30)
    ids = [answer["prediction_id"] for answer in without.values()]
    with stack.database.connect() as connection:
        query = select(predictions.c.is_degraded).where(predictions.c.prediction_id.in_(ids))
        assert list(connection.scalars(query)) == [True, True]
    after = ask(stack, workflow_id)
    assert figures(after) == figures(before)
    assert not after["/assess_risk"]["is_degraded"]
