import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.commands import app
from pipelines.bench.delay import LEARNER, SUSPECT, _prepare, measure_delay
from pipelines.errors import BenchmarkError

_ROWS, _TRAIN = 900, 600


def issues(seed: int = 0) -> pd.DataFrame:
    """Issues, not in the order of opening, that are late where many others are open."""
    rng = np.random.default_rng(seed)
    workload = rng.integers(0, 50, _ROWS)
    is_late = workload + rng.normal(0, 8, _ROWS) > 30
    frame = pd.DataFrame(
        {
            "issuekey": [f"K-{i}" for i in range(_ROWS)],
            "delaydays": np.where(is_late, rng.integers(1, 90, _ROWS), 0),
            "openeddate": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(_ROWS), unit="h"),
            "type": rng.choice(["Bug", "Task"], _ROWS),
            "priority": rng.choice(["Major", "Minor", None], _ROWS),
            SUSPECT: is_late + rng.normal(0, 0.3, _ROWS),
            "workload": workload,
        }
    )
    return frame.sample(frac=1, random_state=seed)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("delay") / "issues.csv.gz"
    issues().to_csv(path, index=False)
    return path


@dataclass(frozen=True)
class Run:
    output: str
    figures: dict[str, Any]

    def auc(self, name: str, *, has_suspect: bool) -> float:
        found = {(one["name"], one["has_suspect"]): one for one in self.figures["results"]}
        value: float = found[name, has_suspect]["metrics"]["auc"]
        return value


@pytest.fixture(scope="module")
def run(path: Path) -> Run:
    out = path.with_suffix(".json")
    arguments = ["delay", "--file", str(path), "--train-rows", str(_TRAIN), "--json", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return Run(result.output, json.loads(out.read_text())["figures"])


def test_the_learner_beats_shares_and_hindsight_shows(run: Run) -> None:
    later = issues().sort_values("openeddate").iloc[_TRAIN:]
    assert run.figures["test_row_count"] == _ROWS - _TRAIN
    assert run.figures["test_delayed_count"] == (later["delaydays"] > 0).sum()
    plain = run.auc(LEARNER, has_suspect=False)
    assert run.auc("share of all", has_suspect=False) == 0.5
    assert run.auc("share by type and priority", has_suspect=False) < 0.65
    assert 0.85 < plain < 0.97
    assert run.auc(LEARNER, has_suspect=True) > plain + 0.01


@pytest.mark.parametrize("name", ["share by type and priority", "random forest", LEARNER])
def test_what_happened_later_moves_no_answer(name: str, path: Path, tmp_path: Path) -> None:
    frame = issues()
    later = frame["openeddate"] >= frame["openeddate"].sort_values().iloc[_TRAIN]
    changed = tmp_path / "changed.csv"
    frame.assign(
        delaydays=frame["delaydays"].where(~later, np.arange(_ROWS) % 2),
    ).to_csv(changed, index=False)
    answers = [_prepare(name, one, _TRAIN, 3, has_suspect=False)() for one in (path, changed)]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize(
    ("change", "train_rows", "message"),
    [
        (lambda f: f.drop(columns="delaydays"), _TRAIN, "no column delaydays"),
        (lambda f: f.assign(openeddate="soon"), _TRAIN, "Cannot read issues"),
        (lambda f: f.assign(delaydays=0), _TRAIN, "All or none of the 600 train rows"),
        (lambda f: f, _ROWS - 99, "801 rows to train on, of 900"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    change: object, train_rows: int, message: str, tmp_path: Path
) -> None:
    assert callable(change)
    path = tmp_path / "issues.csv"
    change(issues()).to_csv(path, index=False)
    with pytest.raises(BenchmarkError, match=message):
        measure_delay(path, train_rows)


def test_the_command_writes_what_it_shows(run: Run) -> None:
    shown = [one["metrics"]["auc"] for one in run.figures["results"]]
    assert len(shown) == 8
    assert all(f"{value:.3f}" in run.output for value in shown)
    assert all(one["peak_mib"] > 50 for one in run.figures["results"])
