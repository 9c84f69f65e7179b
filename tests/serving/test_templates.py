from dataclasses import replace

import pytest

from pipelines.contracts import Model
from pipelines.learning.methods import METHODS
from pipelines.learning.template.model import TemplateModel
from pipelines.learning.template.rows import template_rows
from pipelines.learning.training_set import TrainingSet
from tests.learning.whole_history import WholeHistory, make_whole_history
from tests.serving.conftest import World


@pytest.fixture(scope="module")
def history() -> WholeHistory:
    return make_whole_history(600)


@pytest.fixture(scope="module")
def templates(history: WholeHistory) -> TemplateModel:
    split = history.split
    rows = template_rows(history.workflows, history.closures, history.task_events, split, 0.8)
    learned = TrainingSet(rows, split, "lead_time_quantile")
    return METHODS[Model.TEMPLATE].train(learned, seed=1, trial_count=1).predictor


@pytest.fixture
def asked(world: World, templates: TemplateModel) -> World:
    world.registry.predictors = {**world.registry.predictors, Model.TEMPLATE: templates}  # type: ignore[dict-item]
    world.registry.versions[Model.TEMPLATE] = "4"
    world.watch.look()
    return world


def test_a_new_workflow_gets_the_template_its_product_asks_for(asked: World) -> None:
    for product, template in (("a", "short"), ("b", "long")):
        body = {"client_id": "c1", "priority": "normal", "attributes": {"product": product}}
        answer = asked.client.post("/suggest_templates", json=body).json()
        assert answer["templates"][0]["template_id"] == template
        assert [one["rank"] for one in answer["templates"]] == [1, 2]
        assert answer["templates"][0]["lead_time_s"] > 0
        assert answer["unknown"] == []
        assert (answer["model"]["name"], answer["model"]["version"]) == ("template", "4")


def test_what_no_past_workflow_tells_apart_is_said(asked: World) -> None:
    body = {"client_id": "nobody yet", "attributes": {"product": "a"}, "count": 1}
    answer = asked.client.post("/suggest_templates", json=body).json()
    assert answer["unknown"] == ["client_id 'nobody yet'"]
    assert len(answer["templates"]) == 1


def test_the_answer_is_logged(asked: World, templates: TemplateModel) -> None:
    body = {"client_id": "c1", "attributes": {"product": "a"}}
    answer = asked.client.post("/suggest_templates", json=body).json()
    (row,) = [row for row in asked.log.rows if row.key == answer["prediction_id"]]
    assert (row.model_name, row.model_version, row.variant) == ("template", "4", "champion")
    assert row.inputs["client_id"] == "c1"
    assert row.output["templates"] == answer["templates"]
    assert list(row.features) == templates.input_columns
    assert row.features["workflow_attributes"] == '{"product": "a"}'


def test_of_a_template_never_tried_nothing_is_expected(
    asked: World, templates: TemplateModel
) -> None:
    asked.registry.predictors[Model.TEMPLATE] = replace(templates, untried=("new",))  # type: ignore[assignment]
    asked.registry.versions[Model.TEMPLATE] = "5"
    asked.watch.look()
    answer = asked.client.post("/suggest_templates", json={"client_id": "c1", "count": 9}).json()
    (row,) = asked.log.rows
    assert row.output["templates"] == answer["templates"]
    figures = ("lead_time_s", "lead_time_s_p10", "lead_time_s_p90", "success_ratio", "steps")
    assert answer["templates"][-1] == {
        "template_id": "new",
        "rank": 3,
        "workflow_count": 0,
        **dict.fromkeys(figures),
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"client_id": 7}, "client_id"),
        ({"count": 0}, "count"),
        ({"count": 21}, "count"),
        ({"attributes": {"a": [1]}}, "attributes.a"),
        ({"opened_at": "2024-01-01T00:00:00"}, "opened_at"),
        ({"klient_id": "c1"}, "klient_id"),
        ({"workflow_id": "w", "klient_id": "c1"}, "klient_id"),
    ],
)
def test_a_fault_names_its_field(asked: World, body: dict[str, object], field: str) -> None:
    answer = asked.client.post("/suggest_templates", json=body)
    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])


def test_without_a_model_or_a_database_it_is_said(world: World, asked: World) -> None:
    running = asked.client.post("/suggest_templates", json={"workflow_id": "w"})
    assert (running.status_code, running.json()["type"].rpartition(":")[2]) == (503, "no-champion")
    task = asked.client.post("/predict_duration", json={"task_id": "t"})
    assert (task.status_code, task.json()["type"].rpartition(":")[2]) == (503, "no-champion")
    assignee = asked.client.post("/recommend_assignees", json={"task_id": "t"})
    assert (assignee.status_code, assignee.json()["type"].rpartition(":")[2]) == (
        503,
        "history-away",
    )


@pytest.mark.parametrize("shadowed", [{Model.TEMPLATE}])
def test_a_challenger_suggests_in_the_champions_shadow(asked: World) -> None:
    asked.registry.challengers[Model.TEMPLATE] = "5"
    asked.watch.look()
    body = {"client_id": "c1", "attributes": {"product": "a"}}
    answer = asked.client.post("/suggest_templates", json=body).json()
    asked.shadows.stop(30)
    shown, shadow = asked.log.rows
    assert answer["model"]["version"] == shown.model_version == "4"
    assert (shadow.model_version, shadow.variant, shadow.propensity) == ("5", "shadow", 0.0)
    assert (shadow.inputs, shadow.output) == (shown.inputs, shown.output)
