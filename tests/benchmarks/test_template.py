import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.commands import app
from pipelines.bench.template import LEARNER, contenders
from pipelines.bench.template_rows import TemplateRows, template_rows
from pipelines.learning.template.fit import fit_templates
from tests.learning.template.workflows import STEPS, make_task_events, make_workflows

MAPPING = """\
format = "csv"
[columns]
workflow = "workflow_id"
activity = "activity"
timestamp = "occurred_at"
transition = "transition"
team = "team_id"
client = "client_id"
priority = "priority"
template = "template_id"
[workflow_attributes]
product = "text"
"""


@pytest.fixture(scope="module")
def workflows() -> pd.DataFrame:
    return make_workflows(500)


@pytest.fixture(scope="module")
def events(workflows: pd.DataFrame) -> pd.DataFrame:
    return make_task_events(workflows)


@pytest.fixture(scope="module")
def run(
    workflows: pd.DataFrame, events: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("template")
    product = workflows["attributes"].map(lambda text: json.loads(text)["product"])
    known = workflows[["workflow_id", "client_id", "priority", "template_id"]]
    log = events.merge(known.assign(product=product), on="workflow_id").sort_values("occurred_at")
    log.to_csv(folder / "log.csv", index=False)
    (folder / "log.toml").write_text(MAPPING)
    options = ["--mapping", str(folder / "log.toml"), "--json", str(folder / "figures.json")]
    result = CliRunner().invoke(app, ["template", "--log", str(folder / "log.csv"), *options])
    assert result.exit_code == 0, result.output
    return result.output, json.loads((folder / "figures.json").read_text())["figures"]


def test_the_learner_is_ahead_of_the_simple_ways(run: tuple[str, dict[str, Any]]) -> None:
    output, figures = run
    found = figures["results"]
    assert found["most frequent"]["hit_at_1"] < 0.5
    assert found["most recent of client"]["hit_at_1"] < 0.7
    assert found[LEARNER]["hit_at_1"] > 0.85
    assert figures["template_count"] == 3
    assert not figures["is_mined"]
    assert figures["expectations"]["lead_time_mae_hours"] < 60
    assert figures["peak_mib"] > 50
    assert all(f"{one['mrr']:.3f}" in output for one in found.values())


def test_training_ends_where_the_test_begins(workflows: pd.DataFrame, events: pd.DataFrame) -> None:
    rows = template_rows(workflows, events)
    start = rows.test["as_of"].min()
    closed_at = workflows.set_index("workflow_id")["closed_at"]
    assert (rows.train["workflow_id"].map(closed_at) < start).all()
    is_open = (workflows["opened_at"] < start) & (workflows["closed_at"] >= start)
    assert is_open.sum() > 10
    sides = pd.concat([rows.train, rows.test])["workflow_id"]
    assert not workflows.loc[is_open, "workflow_id"].isin(sides).any()
    assert len(rows.test) == 100


def test_without_templates_they_are_mined(workflows: pd.DataFrame, events: pd.DataFrame) -> None:
    mined = template_rows(workflows.assign(template_id=None), events)
    assert mined.variants is not None
    assert set(mined.variants.steps.values()) == set(STEPS.values())
    name_of = {steps: name for name, steps in mined.variants.steps.items()}
    taken = workflows.set_index("workflow_id")["template_id"].map(lambda one: name_of[STEPS[one]])
    for side in (mined.train, mined.test):
        assert (side["template_id"] == side["workflow_id"].map(taken)).all()


@pytest.mark.parametrize("is_mined", [False, True])
def test_what_happened_later_moves_no_answer(
    workflows: pd.DataFrame, events: pd.DataFrame, *, is_mined: bool
) -> None:
    if is_mined:
        workflows = workflows.assign(template_id=None)
    whole = template_rows(workflows, events)
    start = whole.test["as_of"].min()
    is_later = workflows["opened_at"] >= start
    delay = pd.to_timedelta(np.where(is_later, 400, 0), unit="h")
    changed = template_rows(
        workflows.assign(
            template_id=workflows["template_id"].mask(is_later, None if is_mined else "install"),
            closed_at=workflows["closed_at"] + delay,
            closure_recorded_at=workflows["closure_recorded_at"] + delay,
        ),
        events.assign(activity=events["activity"].mask(events["occurred_at"] > start, "surprise")),
    )
    answers = [_answers(one) for one in (whole, changed)]
    assert not whole.test["lead_time_s"].equals(changed.test["lead_time_s"])
    assert not whole.test["template_id"].equals(changed.test["template_id"])
    for name, scores in answers[0].items():
        np.testing.assert_array_equal(scores, answers[1][name], err_msg=name)


def _answers(rows: TemplateRows) -> dict[str, Any]:
    model = fit_templates(rows.train, variants=rows.variants)
    expected = model.suggest(rows.test).drop(columns=["workflow_id", "template_id"])
    return {**contenders(model, rows.train, rows.test), "expected": expected.to_numpy()}
