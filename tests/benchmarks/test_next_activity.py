import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.commands import app
from pipelines.bench.log_rows import read_rows
from pipelines.bench.next_activity import (
    LEARNER,
    MAJORITY,
    TRIGRAM,
    _prepare,
    measure_next_activity,
    validation_mask,
)
from pipelines.errors import BenchmarkError
from tests.learning.next_activity.events import make_events

MAPPING = """\
format = "csv"
[columns]
workflow = "workflow_id"
activity = "activity"
timestamp = "as_of"
person = "person_id"
priority = "priority"
[workflow_attributes]
amount = "number"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("next_activity")
    (folder / "log.toml").write_text(MAPPING)
    events = make_events(260)
    events = events.assign(
        amount=events["workflow_attributes"].map(lambda text: json.loads(text)["amount"])
    ).drop(columns=["workflow_attributes", "task_attributes", "team_id", "transition"])
    bounds = {"train": ("", "w0150"), "val": ("w0150", "w0200"), "test": ("w0200", "x")}
    for name, (first, end) in bounds.items():
        is_in = (events["workflow_id"] >= first) & (events["workflow_id"] < end)
        events[is_in].to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> tuple[str, dict[str, Any]]:
    out = folder / "figures.json"
    logs = [part for name in ("train", "val", "test") for part in (f"--{name}", f"{name}.csv")]
    paths = [str(folder / one) if one.endswith(".csv") else one for one in logs]
    options = ["--mapping", str(folder / "log.toml"), "--json", str(out)]
    result = CliRunner().invoke(app, ["next-activity", *paths, *options])
    assert result.exit_code == 0, result.output
    return result.output, json.loads(out.read_text())["figures"]


def test_the_learner_is_ahead_of_the_trigram_and_that_of_the_majority(
    run: tuple[str, dict[str, Any]], folder: Path
) -> None:
    output, figures = run
    found = {one["name"]: one for one in figures["results"]}
    accuracy = {name: one["metrics"]["accuracy"] for name, one in found.items()}
    test = pd.read_csv(folder / "test.csv")
    # What follows most often is a check.
    next_one = test.groupby("workflow_id")["activity"].shift(-1)
    assert accuracy[MAJORITY] == pytest.approx((next_one == "check").mean())
    assert accuracy[MAJORITY] < accuracy[TRIGRAM] - 0.2
    assert accuracy[LEARNER] > accuracy[TRIGRAM] + 0.05
    low, high = found[LEARNER]["lead_ratio"][1:]
    assert 0 < low < accuracy[LEARNER] - accuracy[TRIGRAM] < high
    assert figures["test_event_count"] == len(test)
    tied = test.duplicated(["workflow_id", "as_of"], keep="last").mean()
    assert figures["tied_ratio"] == pytest.approx(tied)
    assert all(f"{value:.3f}" in output for value in accuracy.values())
    assert all(one["peak_mib"] > 50 for one in found.values())


@pytest.mark.parametrize("name", [TRIGRAM, LEARNER])
def test_what_happened_later_moves_no_answer(name: str, folder: Path, tmp_path: Path) -> None:
    rows = read_rows([folder / f"{one}.csv" for one in ("train", "test")], folder / "log.toml")
    is_test = rows["log"] == 1
    is_last = ~rows.duplicated("workflow_id", keep="last")
    changed = rows.assign(activity=rows["activity"].mask(is_test & is_last, "surprise"))
    cut = rows[~(is_test & is_last)]
    answers = {}
    for key, one in {"whole": rows, "changed": changed, "cut": cut}.items():
        one.to_parquet(tmp_path / f"{key}.parquet")
        answers[key] = _prepare(name, tmp_path / f"{key}.parquet", 3)()
    before = ~is_last[is_test].to_numpy()
    np.testing.assert_array_equal(answers["whole"][before], answers["changed"][before])
    np.testing.assert_array_equal(answers["whole"][before], answers["cut"])


def test_the_second_log_chooses_or_the_latest_fifth_of_one() -> None:
    events = make_events(100)
    is_late = (events["workflow_id"] >= "w0080").to_numpy()
    assert (validation_mask(events.assign(log=0)) == is_late).all()
    assert (validation_mask(events.assign(log=1 - is_late)) == ~is_late).all()


def test_what_cannot_be_measured_is_refused(folder: Path) -> None:
    mapping = folder / "log.toml"
    with pytest.raises(BenchmarkError, match="1 logs"):
        measure_next_activity([folder / "train.csv"], mapping)
    with pytest.raises(BenchmarkError, match="occurs in two logs"):
        measure_next_activity([folder / "train.csv"] * 2, mapping)
