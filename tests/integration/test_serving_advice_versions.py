"""Two versions of models of advice: on live traffic, and one in the other's shadow."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, select

from pipelines.contracts import Model
from pipelines.jobs.features import materialise_views
from pipelines.source.platform_tables import predictions
from serving.traffic import place
from tests.integration.company_stack import learn_challenger, learn_from_company, open_tasks
from tests.integration.serving_stack import Stack, running_stack, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NEXT, ASSIGNEE, DURATION = Model.NEXT_ACTIVITY, Model.ASSIGNEE, Model.TASK_DURATION
RATIO = 0.4
ASKED = 3  # times: the first answer is not kept, the second is, the third is given again
FEW_ROWS = 3_500  # of the challengers, which so answer otherwise


@pytest.fixture(scope="module")
def stack(
    postgres_url: URL, postgres_admin: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("advice"),
        postgres_url,
        postgres_admin,
        challenger_ratio=f'{{"next_activity": {RATIO}, "assignee": {RATIO}}}',
        shadow_models='["task_duration"]',
        request_timeout_s="120",  # on a machine that is busy with other tests
    ) as made:
        models = (NEXT, ASSIGNEE, DURATION)
        learn_from_company(made, models)
        named = {(model.value, "1", "champion") for model in models}
        for model in models:
            named.add((model.value, learn_challenger(made, model, FEW_ROWS), "challenger"))
        made.service.start()
        until(lambda: shown(made) >= named)
        yield made


def shown(stack: Stack) -> set[tuple[str, str, str]]:
    """The name, version and alias of each model in the service's memory."""
    groups = stack.get("/models").json().values()
    return {(s["name"], s["version"], s["alias"]) for states in groups for s in states}


@pytest.fixture(scope="module")
def tasks(stack: Stack) -> list[Mapping[str, Any]]:
    """An open task of each of many running workflows."""
    found = {task["workflow_id"]: task for task in open_tasks(stack)}
    assert len(found) > 15
    return list(found.values())


def logged(stack: Stack, ids: set[str]) -> dict[str, Any]:
    """Wait for the rows of some predictions; return them by their ids."""
    query = select(predictions).where(predictions.c.prediction_id.in_([UUID(one) for one in ids]))

    def read() -> dict[str, Any]:
        with stack.database.connect() as connection:
            return {str(row.prediction_id): row for row in connection.execute(query)}

    return until(lambda: len(rows := read()) == len(ids) and rows, 30)  # type: ignore[no-any-return]


def version_of(stack: Stack, model: Model, workflow_id: str) -> tuple[str, str, str]:
    """The version that is to answer about a workflow: its name, number and alias."""
    is_drawn = place(model, workflow_id) < RATIO
    alias, group = ("challenger", "challengers") if is_drawn else ("champion", "models")
    return model.value, stack.state(model, group)["version"], alias


@pytest.mark.parametrize(
    ("model", "path", "asked"),
    [
        (NEXT, "/suggest_templates", ("workflow_id",)),
        (ASSIGNEE, "/recommend_assignees", ("workflow_id", "activity")),
        (ASSIGNEE, "/recommend_assignees", ("task_id",)),
    ],
)
def test_a_share_of_workflows_is_the_challengers_and_is_logged_so(
    stack: Stack,
    tasks: list[Mapping[str, Any]],
    model: Model,
    path: str,
    asked: tuple[str, ...],
) -> None:
    expected = {t["workflow_id"]: version_of(stack, model, t["workflow_id"]) for t in tasks}
    assert len(set(expected.values())) == 2

    questions = [{name: task[name] for name in asked} for task in tasks] * ASKED
    responses = [stack.post(path, question) for question in questions]

    assert {response.status_code for response in responses} == {200}
    answers = [response.json() for response in responses]
    for answer in answers:
        assert tuple(answer["model"].values()) == expected[answer["workflow_id"]]
    rows = logged(stack, {answer["prediction_id"] for answer in answers})
    assert len(rows) == len(questions)
    for answer in answers:
        row = rows[answer["prediction_id"]]
        assert (row.model_name, row.model_version, row.variant) == expected[row.workflow_id]
        assert row.workflow_id == answer["workflow_id"]
        assert row.propensity == pytest.approx(RATIO if row.variant == "challenger" else 1 - RATIO)
    assert any(row.cached_from for row in rows.values()) == (model is ASSIGNEE)


def test_a_challenger_in_the_shadow_is_logged_and_never_shown(
    stack: Stack, tasks: list[Mapping[str, Any]]
) -> None:
    champion, challenger = stack.version(DURATION), stack.state(DURATION, "challengers")
    assert challenger["is_shadow"]
    ids = [task["task_id"] for task in tasks]

    one = stack.post("/predict_duration", {"task_id": ids[0]}).json()
    many = stack.post("/predict_duration", {"task_ids": ids}).json()["answers"]

    answers = [one, *many]
    assert [answer["task_id"] for answer in answers] == [ids[0], *ids]
    assert {(a["model"]["version"], a["model"]["alias"]) for a in answers} == {
        (champion, "champion")
    }
    rows = logged(stack, {answer["prediction_id"] for answer in answers})
    assert {(r.variant, r.model_version, r.propensity) for r in rows.values()} == {
        ("champion", champion, 1.0)
    }
    query = select(predictions).where(
        predictions.c.model_name == DURATION.value, predictions.c.variant == "shadow"
    )

    def shadows() -> list[Any]:
        with stack.database.connect() as connection:
            return list(connection.execute(query))

    found = until(lambda: len(r := shadows()) >= len(answers) and r, 30)
    assert sorted(row.task_id for row in found) == sorted([ids[0], *ids])
    assert {(r.model_version, r.model_alias, r.propensity) for r in found} == {
        (challenger["version"], "challenger", 0.0)
    }
    assert not {str(row.prediction_id) for row in found} & set(rows)
    said = {row.task_id: row.output for row in rows.values()}
    assert any(row.output != said[row.task_id] for row in found)  # the challenger's own


def test_without_valkey_or_what_it_held_what_is_known_of_tasks_comes_from_the_lake(
    stack: Stack, tasks: list[Mapping[str, Any]]
) -> None:
    ids = [task["task_id"] for task in tasks[:5]]
    people = stack.post("/recommend_assignees", {"task_id": ids[0]}).json()["candidates"]
    plan = {
        "tasks": [{"task_id": one} for one in ids],
        "people": [{"person_id": one["person_id"]} for one in people],
    }
    questions = [
        *(("/predict_duration", {"task_id": one}) for one in ids),
        *(("/recommend_assignees", {"task_id": one}) for one in ids),
        ("/recommend_allocation", plan),
    ]

    def answers() -> list[dict[str, Any]]:
        responses = [stack.post(*question) for question in questions]
        assert {response.status_code for response in responses} == {200}
        return [response.json() for response in responses]

    before = answers()
    stack.valkey.stop()
    try:
        until(lambda: stack.get("/readyz").json()["degraded"])
        after = answers()
        stack.valkey.start()  # without what it held
        holds_none = "features come from the lake: the online store holds no features"
        until(lambda: holds_none in str(stack.get("/readyz").json()["degraded"]))
        after += answers()
    finally:
        as_of = datetime.fromisoformat(before[0]["as_of"])
        materialise_views(stack.settings, as_of.isoformat())

    for was, now in zip(before * 2, after, strict=True):
        assert not was["is_degraded"]
        assert now["is_degraded"]
        assert now["degraded_because"][0].startswith("the online store has no answer: features")
        for name in ("waiting_time", "service_time", "sojourn_time", "candidates", "assignments"):
            assert now.get(name) == was.get(name)
    until(lambda: not stack.get("/readyz").json()["degraded"])
