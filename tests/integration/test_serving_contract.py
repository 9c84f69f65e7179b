"""The service holds to its own OpenAPI document, whatever comes in, and whoever asks."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, Engine

from pipelines.contracts import Role
from pipelines.platform.token import bearer
from tests.integration.company_stack import Known, bring_company_up
from tests.integration.contract_check import faults_of
from tests.integration.serving_stack import Stack, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

OPERATION_COUNT = 9


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
        ("/predict_duration", "ManyWorkflows", 200),
        ("/predict_duration", "OneTask", 200),
        ("/predict_duration", "ManyTasks", 200),
        ("/assess_risk", "OneWorkflow", 200),
        ("/assess_risk", "ManyWorkflows", 200),
        ("/suggest_templates", "NewWorkflow", 200),
        ("/suggest_templates", "RunningWorkflow", 200),
        ("/recommend_assignees", "AssigneeOfTask", 200),
        ("/recommend_assignees", "AssigneeOfStep", 200),
        ("/recommend_allocation", "AllocationQuestion", 200),
        ("/models", "", 200),
        ("/readyz", "", 200),
        ("/feedback", "GivenFeedback", 202),
        ("/alerts", "", 200),
    ]
