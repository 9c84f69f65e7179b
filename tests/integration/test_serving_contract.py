"""The service holds to its own OpenAPI document, whatever comes in, and whoever asks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import URL, Engine, func, select

from pipelines.contracts import Role
from pipelines.platform.token import bearer
from pipelines.source.platform_tables import predictions
from tests.integration.company_stack import Known, bring_company_up
from tests.integration.contract_check import faults_of
from tests.integration.contract_client import Client, Request
from tests.integration.serving_stack import Stack, running_stack, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

OPERATION_COUNT = 10
NO_PREDICTIONS = {"/feedback", "/acknowledge_alert"}


@pytest.fixture(scope="module")
def stack(
    postgres_url: URL, postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("company")
    patient = {"request_timeout_s": "120"}  # on a machine that is busy with other tests
    with running_stack(folder, postgres_url, postgres_admin, **patient) as made:
        bring_company_up(made)
        yield made


@pytest.fixture(scope="module")
def known(stack: Stack) -> Known:
    return Known.of(stack)


def test_whatever_comes_in_is_answered_as_declared(stack: Stack, known: Known) -> None:
    """No failure, no undeclared status or form, nothing taken that is declared wrong."""
    faults, statuses = faults_of(
        stack.url, stack.headers, example_count=40, change_body=known.put_into
    )
    assert not faults, "\n".join(faults)
    assert len(statuses) == OPERATION_COUNT
    # It got behind the checks of every question, and not only there.
    assert all({200, 202} & seen and 405 in seen for seen in statuses.values())
    assert all(422 in seen for operation, seen in statuses.items() if "POST" in operation)


@pytest.mark.parametrize("role", [None, *Role])
def test_every_caller_is_answered_as_declared(
    stack: Stack, known: Known, role: Role | None
) -> None:
    headers = {} if role is None else bearer(stack.settings, [role], "tester")
    faults, statuses = faults_of(
        stack.url, headers, example_count=3, has_borders=False, change_body=known.put_into
    )
    assert not faults, "\n".join(faults)
    assert len(statuses) == OPERATION_COUNT
    paths: Any = stack.get("/openapi.json").json()["paths"]
    for operation, seen in statuses.items():
        method, path = operation.split()
        security = paths[path][method.lower()].get("security")
        if security is None or {"token": [role]} in security:
            assert not seen & {401, 403}, operation
        else:
            assert seen == ({401} if role is None else {403}), operation


def test_every_example_of_the_page_works_as_it_stands(stack: Stack) -> None:
    document = stack.get("/openapi.json").json()
    answered = []
    for path, operations in document["paths"].items():
        if "get" in operations:
            answered.append((path, "", stack.get(path).status_code))
            continue
        body = operations["post"]["requestBody"]["content"]["application/json"]
        for kind, example in body["examples"].items():
            response = stack.post(path, example["value"])
            assert response.is_success, (path, example, response.text)
            assert not response.json().get("problems"), response.text
            answered.append((path, kind, response.status_code))
    assert answered == [
        ("/predict_duration", "OneWorkflow", 200),
        ("/predict_duration", "OneWorkflow 2", 200),
        ("/predict_duration", "ManyWorkflows", 200),
        ("/predict_duration", "OneTask", 200),
        ("/predict_duration", "OneTask 2", 200),
        ("/predict_duration", "ManyTasks", 200),
        ("/assess_risk", "OneWorkflow", 200),
        ("/assess_risk", "OneWorkflow 2", 200),
        ("/assess_risk", "ManyWorkflows", 200),
        ("/suggest_templates", "NewWorkflow", 200),
        ("/suggest_templates", "RunningWorkflow", 200),
        ("/recommend_assignees", "AssigneeOfTask", 200),
        ("/recommend_assignees", "AssigneeOfTask 2", 200),
        ("/recommend_assignees", "AssigneeOfStep", 200),
        ("/recommend_allocation", "AllocationQuestion", 200),
        ("/models", "", 200),
        ("/readyz", "", 200),
        ("/feedback", "GivenFeedback", 202),
        ("/alerts", "", 200),
        ("/acknowledge_alert", "Acknowledgement", 200),
    ]


def test_a_thousand_mixed_requests_are_answered_and_logged(stack: Stack) -> None:
    """Each has an answer or a problem that names the field; the log holds the answers, once."""
    client = Client(stack.get("/openapi.json").json())
    with stack.database.connect() as connection:
        since = connection.execute(select(func.clock_timestamp())).scalar_one()

    def ask(request: Request) -> tuple[Request, httpx.Response]:
        kind = {"content-type": request.content_type}
        return request, http.request(
            request.method, request.path, content=request.content, headers=kind
        )

    with (
        httpx.Client(base_url=stack.url, headers=stack.headers, timeout=120) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        answered = list(pool.map(ask, client.requests(1_000)))

    faults = [
        f"{request.method} {request.path} {request.field} {request.content[:200]!r}: {fault}; "
        f"{response.status_code} {response.text[:300]}"
        for request, response in answered
        if (fault := client.fault(request, response)) is not None
    ]
    assert not faults, "\n".join([f"{len(faults)} of 1,000", *faults[:10]])
    said = [
        prediction_id
        for request, response in answered
        if request.path not in NO_PREDICTIONS and response.is_success
        for prediction_id in predictions_in(response.json())
    ]
    assert len(said) == len(set(said)) > 400

    def logged() -> list[str]:
        query = select(predictions.c.prediction_id).where(predictions.c.requested_at >= since)
        with stack.database.connect() as connection:
            return [str(one) for one in connection.scalars(query)]

    until(lambda: len(logged()) >= len(said), 60)
    assert sorted(logged()) == sorted(said)


def predictions_in(answer: dict[str, Any]) -> list[str]:
    """Ids of the predictions of an answer, or of each answer of a batch."""
    each = [answer] if "prediction_id" in answer else answer["answers"]
    return [one["prediction_id"] for one in each]
