from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.template.fit import fit_templates
from pipelines.learning.template.model import TemplateModel, blended
from pipelines.learning.template.openings import openings
from pipelines.learning.template.variants import Variants
from tests.learning.template.workflows import STEPS, make_workflows


def training_rows(count: int = 400) -> pd.DataFrame:
    workflows = make_workflows(count)
    lead_time = workflows["closed_at"] - workflows["opened_at"]
    return openings(workflows).assign(
        template_id=workflows["template_id"],
        lead_time_s=lead_time.dt.total_seconds(),
        is_late=workflows["closed_at"] > workflows["due_at"],
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return training_rows()


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame) -> TemplateModel:
    return fit_templates(rows, variants=Variants(STEPS), catalogue=["quick", "brand-new"])


def opening(client: str, product: str) -> pd.DataFrame:
    one = make_workflows(1).assign(
        client_id=client, priority="normal", attributes=f'{{"product": "{product}"}}'
    )
    return openings(one)


@pytest.mark.parametrize(
    ("client", "product", "expected"),
    [
        ("c03", "fault", "repair"),
        ("c04", "fault", "quick"),
        ("c03", "box", "install"),
        ("a new client", "box", "install"),
    ],
)
def test_clients_and_attributes_tell_the_template(
    model: TemplateModel, client: str, product: str, expected: str
) -> None:
    assert model.suggest(opening(client, product))["template_id"].iloc[0] == expected


def test_a_suggestion_says_what_to_expect(model: TemplateModel) -> None:
    answers = model.suggest(opening("a new client", "box"), count=9)
    assert answers["rank"].tolist() == [1, 2, 3, 4]
    assert answers["template_id"].iloc[-1] == "brand-new"
    assert answers["workflow_count"].iloc[-1] == 0
    assert answers.iloc[-1][["lead_time_s", "success_ratio"]].isna().all()
    # Normal priority: usual hours, or three times as many and then late.
    install = answers.iloc[0]
    assert install["lead_time_s_p10"] <= 101 * 3600
    assert install["lead_time_s_p90"] >= 299 * 3600
    assert install["lead_time_s"] in {100 * 3600, 300 * 3600}
    by_name = answers.set_index("template_id")
    assert by_name["lead_time_s"].idxmin() == "quick"
    assert by_name["success_ratio"].idxmin() == "install"
    assert (
        0.4 < by_name.loc["install", "success_ratio"] < 0.7 < by_name.loc["quick", "success_ratio"]
    )


def test_a_client_a_product_and_a_team_never_seen_are_answered(model: TemplateModel) -> None:
    unseen = opening("new", "never seen").assign(opening_team_id="new", client_id=None)
    answers = model.suggest(pd.concat([unseen, opening("c01", "fault")], ignore_index=True), 2)
    assert len(answers) == 4
    assert set(answers["template_id"]) <= set(STEPS)
    assert answers["template_id"].iloc[2] == "repair"


def test_the_same_seed_gives_the_same_and_what_is_saved_answers_the_same(
    model: TemplateModel, rows: pd.DataFrame, tmp_path: Path
) -> None:
    answers = model.suggest(rows)
    again = fit_templates(rows.sample(frac=1, random_state=0), catalogue=["brand-new"])
    pd.testing.assert_frame_equal(again.suggest(rows), answers)
    model.save(tmp_path / "model")
    loaded = TemplateModel.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.suggest(rows), answers)
    assert loaded.variants == model.variants
    assert loaded.facts == model.facts


def test_both_rankings_have_their_part() -> None:
    content, alike = np.array([[0.6, 0.3, 0.1]]), np.array([[1.0, 9.0, 5.0]])
    np.testing.assert_allclose(blended(content, alike, 1.0), [[1, 1 / 2, 1 / 3]])
    np.testing.assert_allclose(blended(content, alike, 0.0), [[1 / 3, 1, 1 / 2]])
    np.testing.assert_allclose(blended(content, alike, 0.5), [[2 / 3, 3 / 4, 5 / 12]])


def test_clients_alike_have_a_part_where_they_tell_more_than_luck() -> None:
    rng = np.random.default_rng(0)
    # Too many clients for each to be a level of its own: of four workflows the trees cannot tell.
    rows = training_rows(600).assign(
        client_id=[f"c{number:03d}" for number in rng.permutation(600) % 150],
        workflow_attributes=[f'{{"size": {number}}}' for number in rng.integers(0, 9, 600)],
    )
    is_odd = rows["client_id"].str[-1].astype(int) % 2 == 1
    of_client = rows.assign(template_id=np.where(is_odd, "repair", "install"))
    model = fit_templates(of_client)
    assert model.content_weight < 1
    known = of_client.drop_duplicates("client_id")
    first = model.suggest(known, count=1)["template_id"]
    assert (first.to_numpy() == known["template_id"].to_numpy()).mean() > 0.9
    of_nobody = rows.assign(template_id=rng.choice(["repair", "install"], 600))
    assert fit_templates(of_nobody).content_weight == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.assign(template_id="one"), "1 templates"),
        (lambda rows: rows.head(30), "6 workflows to validate on"),
        (lambda rows: rows.drop(columns="is_late"), "lack the columns is_late"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    rows: pd.DataFrame, change: object, message: str
) -> None:
    assert callable(change)
    with pytest.raises(TrainingError, match=message):
        fit_templates(change(rows))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Cannot read a template model"):
        TemplateModel.load(tmp_path)
