import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.bench.log_frames import LogFrames, read_logs
from pipelines.bench.sla_answers import ANSWERS, LEARNER, groups
from pipelines.bench.sla_rows import SlaRows, sla_rows
from pipelines.cli import app
from pipelines.errors import BenchmarkError

_MAPPING = """
format = "csv"
[columns]
workflow = "ticket"
activity = "state"
timestamp = "at"
person = "person"
priority = "priority"
outcome = "kept"
[workflow_attributes]
category = "text"
[outcome]
late_values = ["no"]
[closing]
activities = ["Closed"]
resolved_activities = ["Resolved"]
"""
_COUNT = 260


def tickets(seed: int = 0) -> pd.DataFrame:
    """Tickets that wait for the user, or not; who waits, and hard ones, break the promise."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(_COUNT):
        at = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=6 * number)
        priority, category = str(rng.integers(1, 4)), str(rng.choice(["net", "mail"]))
        waits = rng.random() < 0.4
        risk = 0.05 + 0.5 * waits + 0.3 * (category == "net")
        kept = "no" if rng.random() < risk else "yes"
        states = ["New", "Active", *(["Waiting"] if waits else []), "Active", "Resolved", "Closed"]
        for state in states:
            person = f"p{rng.integers(0, 4)}"
            rows.append((f"t{number:04d}", state, at, person, priority, kept, category))
            at += pd.Timedelta(minutes=int(rng.integers(30, 400)))
    names = ["ticket", "state", "at", "person", "priority", "kept", "category"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sla")
    tickets().to_csv(folder / "log.csv", index=False)
    (folder / "tickets.toml").write_text(_MAPPING)
    return folder


@pytest.fixture(scope="module")
def frames(folder: Path) -> LogFrames:
    return read_logs([folder / "log.csv"], folder / "tickets.toml", folder / "frames")


@pytest.fixture(scope="module")
def rows(frames: LogFrames) -> SlaRows:
    return sla_rows(frames, ("Resolved", "Closed"), 0.2, 0.8)


def test_updates_before_the_resolution_are_split_by_opening(rows: SlaRows) -> None:
    log = tickets()
    opened = log.groupby("ticket")["at"].min()
    before = log[~log["state"].isin(["Resolved", "Closed"])]
    test_ids = opened.index[int(_COUNT * 0.8) :]
    assert set(rows.test["workflow_id"]) == set(test_ids)
    assert len(rows.test) == before["ticket"].isin(test_ids).sum()
    assert rows.late_rule == "outcome"
    late = log.drop_duplicates("ticket").set_index("ticket")["kept"] == "no"
    for side in (rows.train, rows.test):
        assert (side["is_late"] == side["workflow_id"].map(late)).all()


def test_training_tickets_had_closed_when_the_first_test_ticket_opened(rows: SlaRows) -> None:
    log = tickets()
    start = pd.Timestamp(log.loc[log["ticket"] == f"t{int(_COUNT * 0.8):04d}", "at"].min())
    closed = log.groupby("ticket")["at"].max()
    kept = set(rows.train["workflow_id"])
    assert kept == set(closed.index[closed < start])
    assert rows.undecided_at_split_count == int(_COUNT * 0.8) - len(kept) > 0


def test_groups_are_features_or_attributes(rows: SlaRows) -> None:
    log = tickets().drop_duplicates("ticket").set_index("ticket")
    found = groups(rows.test, ["priority", "category", "colour"])
    known = log["priority"] + "|" + log["category"] + "|None"
    assert (found == rows.test["workflow_id"].map(known)).all()


@pytest.fixture(scope="module")
def turned(folder: Path, rows: SlaRows) -> SlaRows:
    """Rows of the same log, had every test ticket ended the other way."""
    log = tickets()
    later = log["ticket"].isin(rows.test["workflow_id"])
    other = folder / "turned"
    other.mkdir()
    kept = log["kept"].where(~later, log["kept"].map({"yes": "no", "no": "yes"}))
    log.assign(kept=kept).to_csv(other / "log.csv", index=False)
    frames = read_logs([other / "log.csv"], folder / "tickets.toml", other / "frames")
    return sla_rows(frames, ("Resolved", "Closed"), 0.2, 0.8)


@pytest.mark.parametrize("name", list(ANSWERS))
def test_labels_of_later_tickets_move_no_answer(name: str, rows: SlaRows, turned: SlaRows) -> None:
    assert (turned.test["is_late"] != rows.test["is_late"]).all()
    answers = [
        ANSWERS[name](one.train, one.test.drop(columns="is_late"), 2, 3) for one in (rows, turned)
    ]
    np.testing.assert_array_equal(*answers)


_DAY = pd.Timedelta(days=1)


def slow_tickets(until_days: float, recorded_days: float = 0) -> pd.DataFrame:
    """Four tickets a day for a hundred days; every fourth goes on for 15 days, the others for one.

    What happens after a day is left out. All but the closings is recorded so much later.
    """
    start = pd.Timestamp("2024-01-01")
    rows = [
        (f"t{number:03d}", "Closed" if day == last else "Active", at)
        for number in range(400)
        for last in (15 if number % 4 == 0 else 1,)
        for day in range(last + 1)
        if (at := start + (number / 4 + day) * _DAY) <= start + until_days * _DAY
    ]
    log = pd.DataFrame(rows, columns=["ticket", "state", "at"])
    later = np.where(log["state"] == "Closed", 0, recorded_days)
    return log.assign(recorded=log["at"] + pd.to_timedelta(later, unit="D"))


@pytest.fixture
def slow_rows(tmp_path: Path) -> Callable[..., SlaRows]:
    def rows_until(
        days: float, test_ratio: float = 0.2, late_quantile: float = 0.7, recorded_days: float = 0
    ) -> SlaRows:
        slow_tickets(days, recorded_days).to_csv(tmp_path / "log.csv", index=False)
        text = "\n".join(
            line
            for line in _MAPPING.split("[workflow_attributes]", maxsplit=1)[0].splitlines()
            if not line.startswith(("person", "priority", "outcome"))
        )
        text = text.replace('timestamp = "at"', 'timestamp = "at"\nrecorded = "recorded"')
        (tmp_path / "slow.toml").write_text(f'{text}\n[closing]\nactivities = ["Closed"]\n')
        frames = read_logs(
            [tmp_path / "log.csv"], tmp_path / "slow.toml", tmp_path / f"{recorded_days}"
        )
        return sla_rows(frames, ("Closed",), test_ratio, late_quantile)

    return rows_until


def test_what_is_overdue_is_learned_before_it_has_ended(
    slow_rows: Callable[..., SlaRows],
) -> None:
    rows = slow_rows(200)
    log = slow_tickets(200).assign(at=lambda log: log["at"].dt.tz_localize("UTC"))
    lasts = log.groupby("ticket")["at"].agg(["min", "max"])
    is_open = (lasts["min"] < rows.test_start) & (lasts["max"] >= rows.test_start)
    learned = rows.train[rows.train["workflow_id"].isin(lasts.index[is_open])]
    # Late is longer than a day: of the slow ones nearly all that were open were known to be.
    assert learned["workflow_id"].nunique() >= 12
    assert learned["is_late"].all()
    assert rows.train["as_of"].max() < rows.test_start
    assert rows.not_followed_count == rows.undecided_count == 0


def test_what_is_recorded_too_late_is_not_learned_early(slow_rows: Callable[..., SlaRows]) -> None:
    at_once, later = (slow_rows(200, recorded_days=days) for days in (0, 20))
    assert at_once.test_start == later.test_start
    count = later.undecided_at_split_count - at_once.undecided_at_split_count
    assert count >= 12  # the slow ones that were open
    assert set(later.train["workflow_id"]) < set(at_once.train["workflow_id"])


def test_the_later_workflows_are_those_the_log_follows(
    slow_rows: Callable[..., SlaRows],
) -> None:
    rows = slow_rows(100)  # until the last one opened
    log = slow_tickets(100).assign(at=lambda log: log["at"].dt.tz_localize("UTC"))
    opened, end = log.groupby("ticket")["at"].min(), log["at"].max()
    tested = rows.test.drop_duplicates("workflow_id")
    assert opened[tested["workflow_id"]].max() <= end - 2 * _DAY
    assert (opened > end - 2 * _DAY).sum() == rows.not_followed_count > 0
    assert rows.undecided_count == 0
    # Most slow ones had not ended; without them nearly nothing would be late.
    assert tested["is_late"].mean() == pytest.approx(1 / 4, abs=0.03)
    # Nothing is asked of a workflow that is late already.
    age = rows.test["as_of"] - opened[rows.test["workflow_id"]].array
    assert age.max() <= _DAY
    assert rows.overdue_row_count > 0


def test_a_log_that_ends_too_soon_is_refused(slow_rows: Callable[..., SlaRows]) -> None:
    # Late is longer than 15 days, and the later workflows opened in the last few.
    with pytest.raises(BenchmarkError, match="to know whether it is late takes 15"):
        slow_rows(100, test_ratio=0.05, late_quantile=0.9)


def test_one_class_is_refused(frames: LogFrames) -> None:
    workflows = frames.workflows.assign(outcome_is_late=True)
    same = LogFrames(frames.events, frames.tasks, workflows, len(workflows))
    with pytest.raises(BenchmarkError, match="All or none of the"):
        sla_rows(same, ("Resolved",), 0.2, 0.8)


def test_the_command_writes_what_it_shows(folder: Path) -> None:
    out = folder / "figures.json"
    arguments = ["--log", str(folder / "log.csv"), "--mapping", str(folder / "tickets.toml")]
    result = CliRunner().invoke(
        app, ["bench", "sla", *arguments, "--trials", "2", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())["figures"]
    assert figures["resolved_activities"] == ["Resolved", "Closed"]
    found = {one["name"]: one for one in figures["results"]}
    assert list(found) == list(ANSWERS)
    assert all(f"{one['metrics']['auc']:.3f}" in result.output for one in found.values())
    assert found["base rate"]["metrics"]["auc"] == 0.5
    assert found[LEARNER]["metrics"]["auc"] > 0.6
    assert (
        sum(row["row_count"] for row in found[LEARNER]["reliability"])
        == (figures["test_row_count"])
    )
