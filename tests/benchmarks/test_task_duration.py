import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.commands import app
from pipelines.bench.duration_contenders import ANSWERING, FOLLOWING, LEARNER
from pipelines.bench.duration_data import DurationRows, duration_rows
from pipelines.bench.duration_figures import ANSWERS, figures
from pipelines.errors import BenchmarkError
from pipelines.learning.task_duration.baselines import group_quantile
from pipelines.learning.task_duration.spans import Span
from tests.learning.task_history import make_task_history

_MAPPING = """
format = "csv"

[columns]
workflow = "case"
activity = "activity"
transition = "transition"
person = "person"
timestamp = "time"
"""
_COUNT = 700


def rows(change: Callable[[pd.DataFrame], pd.DataFrame] = lambda tasks: tasks) -> DurationRows:
    history = make_task_history(_COUNT)
    return duration_rows(change(history.tasks), history.events, Span.SERVICE)


@dataclass(frozen=True)
class Run:
    output: str
    figures: dict[str, Any]

    def metric(self, contender: str, name: str) -> float:
        found = {one["name"]: one["figures"]["metrics"] for one in self.figures["results"]}
        value: float = found[contender][name]
        return value


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("task_duration")
    events = make_task_history(_COUNT).events
    columns = {
        "workflow_id": "case",
        "activity": "activity",
        "transition": "transition",
        "person_id": "person",
        "as_of": "time",
    }
    events.rename(columns=columns)[[*columns.values()]].to_csv(folder / "log.csv", index=False)
    (folder / "mapping.toml").write_text(_MAPPING)
    out = folder / "out.json"
    arguments = ["task-duration", "--log", str(folder / "log.csv"), "--json", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--mapping", str(folder / "mapping.toml")])
    assert result.exit_code == 0, result.output
    return Run(result.output, json.loads(out.read_text())["figures"])


def test_the_learner_finds_out_who_is_fast_and_covers(run: Run) -> None:
    assert run.figures["span"] == "service_time_s"
    assert run.figures["test_task_count"] == 3 * _COUNT * 0.2
    # In the made-up history nothing else tells than activity and person: their groups are best.
    best = run.metric("by activity and person", "mae_minutes")
    simple = run.metric("by activity", "mae_minutes")
    for name in (LEARNER, FOLLOWING):
        assert 0.9 * best < run.metric(name, "mae_minutes") < 0.75 * simple
        assert 0.75 < run.metric(name, "coverage_80_ratio") < 0.9
        assert 0.87 < run.metric(name, "coverage_90_ratio") < 0.97
        for measure in ("width_90_minutes", "interval_score_90_minutes"):
            assert run.metric(name, measure) < 0.75 * run.metric("by activity", measure)


def test_the_command_writes_what_it_shows(run: Run) -> None:
    assert len(run.figures["results"]) == 6
    for one in run.figures["results"]:
        assert one["peak_mib"] > 50
        assert {row["activity"] for row in one["figures"]["by_activity"]} == {
            "check",
            "decide",
            "file",
        }


def test_sides_follow_the_start_of_workflows() -> None:
    split = rows()
    places = {name: int(name[1:]) for name in split.known["workflow_id"]}
    known = split.known["workflow_id"].map(places).to_numpy()
    assert known[split.fit].max() == 0.64 * _COUNT - 1
    assert (known[split.validation].min(), known[split.validation].max()) == (448, 559)
    assert split.test["workflow_id"].str[1:].astype(int).min() == 560
    assert (split.known["ended_at"] < split.test_start).all()
    validation_start = split.test["as_of"].min()
    assert (split.known.loc[split.fit, "ended_at"] < validation_start).all()


def test_long_tasks_stand_for_those_that_had_no_time_to_end() -> None:
    split = rows()
    took = (split.known["ended_at"] - split.known["as_of"]).to_numpy()
    assert (split.weight >= 1).all()
    # Where the period is shorter, a task that takes as long stands for more.
    searched, whole = (one[split.validation] for one in (split.search_weight, split.weight))
    assert (searched >= whole).all()
    assert (searched > whole).any()
    for mask in (split.fit, split.validation):
        order = np.argsort(took[mask], kind="stable")
        assert (np.diff(split.search_weight[mask][order]) >= 0).all()
        assert split.search_weight[mask].max() > split.search_weight[mask].min()


def test_what_test_tasks_take_moves_nothing_to_learn_from() -> None:
    before = rows()
    start, day = before.test_start, pd.Timedelta(days=1)

    def longer(tasks: pd.DataFrame) -> pd.DataFrame:
        is_late = tasks["completed_at"] >= start
        completed_at = tasks["completed_at"].where(~is_late, tasks["completed_at"] + day)
        return tasks.assign(completed_at=completed_at)

    after = rows(longer)
    pd.testing.assert_frame_equal(after.known, before.known)
    np.testing.assert_array_equal(after.weight, before.weight)
    np.testing.assert_array_equal(after.search_weight, before.search_weight)


@pytest.mark.parametrize("contender", [*ANSWERING])
def test_only_outcomes_known_in_the_morning_move_an_answer(contender: str) -> None:
    before = rows()
    last_day = before.test["as_of"].max().floor("D")
    is_known = before.test["ended_at"] < last_day
    changed = before.test.assign(duration_s=before.test["duration_s"].where(is_known, 1e7))
    answers = [
        ANSWERING[contender](one, Span.SERVICE, 1, 3)
        for one in (before, replace(before, test=changed))
    ]
    for name, answer in answers[0].items():
        pd.testing.assert_frame_equal(answer, answers[1][name])


def test_figures_of_a_few_tasks() -> None:
    actual_s = 60 * np.array([1.0, 2.0, 3.0, 10.0])
    answers = pd.DataFrame(
        dict(zip(ANSWERS, (120.0, 60.0, 180.0, 60.0, 600.0), strict=True)), index=range(4)
    )
    metrics = figures(actual_s, answers, np.array(["a"] * 4, dtype=object)).metrics
    assert metrics["mae_minutes"] == 2.5
    assert metrics["median_absolute_error_minutes"] == 1.0
    assert metrics["coverage_80_ratio"] == 0.75
    assert metrics["width_80_minutes"] == 2.0
    assert metrics["interval_score_80_minutes"] == pytest.approx(2 + 10 * 7 / 4)
    assert (metrics["coverage_90_ratio"], metrics["interval_score_90_minutes"]) == (1.0, 9.0)


def test_a_small_group_answers_as_the_larger_one_does() -> None:
    train = pd.DataFrame(
        {
            "task_activity": ["a"] * 22,
            "task_person_id": ["ann"] * 12 + ["bob"] * 9 + [None],
            "duration_s": [1.0] * 12 + [5.0] * 10,
        }
    )
    asked = pd.DataFrame(
        {"task_activity": ["a", "a", "a", "b"], "task_person_id": ["ann", "bob", None, "ann"]}
    )
    found = group_quantile(train, asked, ["task_activity", "task_person_id"], 0.9)
    assert found.tolist() == [1.0, 5.0, 5.0, 5.0]
    assert group_quantile(train, asked, ["task_activity"], 0.5).tolist() == [1.0] * 4


def test_a_log_without_such_tasks_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="0 tasks to fit on have a service_time_s"):
        rows(lambda tasks: tasks.assign(started_at=tasks["cancelled_at"]))
