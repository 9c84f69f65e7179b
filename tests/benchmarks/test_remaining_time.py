import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.status import Status
from typer.testing import CliRunner

from pipelines.bench.log_frames import LogFrames, feature_frame, read_logs
from pipelines.bench.prefix_medians import prefix_medians
from pipelines.bench.prefix_rows import all_known_rows, prefix_rows
from pipelines.bench.remaining_time import learned
from pipelines.bench.uncut_rows import uncut_rows
from pipelines.cli import app
from pipelines.errors import BenchmarkError
from tests.benchmarks.logs import write_logs


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_logs(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def frames(logs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> LogFrames:
    return read_logs(logs, None, tmp_path_factory.mktemp("frames"))


def test_every_event_of_the_logs_is_there(frames: LogFrames, logs: list[Path]) -> None:
    rows = pd.concat(pd.read_csv(path).assign(log=n) for n, path in enumerate(logs))
    assert len(frames.events) == len(rows)
    assert frames.events.groupby("log").size().to_list() == rows.groupby("log").size().to_list()
    known = frames.events["workflow_progress__last_activity"]
    assert (known == frames.events["activity"]).all()
    assert (frames.events["workflow_progress__event_count"] == frames.events["prefix_length"]).all()


def test_no_feature_is_hindsight(frames: LogFrames) -> None:
    features = feature_frame(frames.events)
    assert not {"event_count_total", "last_event_at_total", "opened_at", "row_number"} & set(
        features.columns
    )


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_changes_no_feature_before_it(
    share: float, frames: LogFrames, logs: list[Path], tmp_path: Path
) -> None:
    last = pd.read_csv(logs[-1])
    moments = pd.to_datetime(last["time:timestamp"], utc=True, format="ISO8601")
    cut = moments.quantile(share)
    path = tmp_path / "cut.csv"
    last[moments < cut].to_csv(path, index=False)
    (tmp_path / "frames").mkdir()
    short = read_logs([*logs[:-1], path], None, tmp_path / "frames").events
    # Features of a day as a whole are known at its end: the last day is not over at the cut.
    whole = frames.events[frames.events["as_of"] < cut].reset_index(drop=True)
    before = short[short["as_of"] < cut].reset_index(drop=True)
    assert (before["log"] == 2).sum() > 20
    pd.testing.assert_frame_equal(feature_frame(before), feature_frame(whole))


@pytest.mark.parametrize("number", [1, 2])
def test_pauses_of_a_later_log_change_no_feature_before_it(
    number: int, frames: LogFrames, logs: list[Path], tmp_path: Path
) -> None:
    """Both later logs are predicted, the second one without the third."""
    starts = frames.events.groupby("log")["as_of"].min()
    first = pd.read_csv(logs[0])
    late = first.groupby("case:concept:name").tail(1).head(20)
    late = late.assign(**{"time:timestamp": (starts[number] + pd.Timedelta(hours=1)).isoformat()})
    path = tmp_path / "log.csv"
    pd.concat([first, late]).to_csv(path, index=False)
    (tmp_path / "frames").mkdir()
    longer = read_logs([path, *logs[1:]], None, tmp_path / "frames").events
    then, now = (
        feature_frame(of[of["as_of"] < starts[number]]).reset_index(drop=True)
        for of in (longer, frames.events)
    )
    pd.testing.assert_frame_equal(then, now)


def test_the_public_protocol_scores_prefixes_of_two_events_and_more(
    frames: LogFrames, logs: list[Path]
) -> None:
    rows = prefix_rows(frames.events)
    lengths = pd.read_csv(logs[-1]).groupby("case:concept:name").size()
    assert rows.test.sum() == (lengths - 2).sum()
    test = rows.frame[rows.test]
    assert test["prefix_length"].min() == 2
    assert (test["remaining_time_s"] > 0).all()
    ids = [set(rows.frame.loc[mask, "workflow_id"]) for mask in (rows.public, rows.test)]
    assert not ids[0] & ids[1]
    assert (rows.frame.loc[rows.public, "log"] < 2).all()
    assert rows.overlap_count(rows.public) > 0


def test_nothing_is_learned_from_what_had_not_ended(frames: LogFrames) -> None:
    rows = prefix_rows(frames.events)
    start = rows.frame.loc[rows.test, "opened_at"].min()
    assert (rows.frame.loc[rows.train, "last_event_at_total"] < start).all()
    assert rows.overlap_count(rows.train) == 0
    assert rows.train.sum() < rows.public.sum()
    validated = rows.frame.loc[rows.validation, "opened_at"].min()
    assert (rows.frame.loc[rows.fit, "last_event_at_total"] < validated).all()
    assert (rows.train | ~rows.fit).all()
    assert (rows.train | ~rows.validation).all()
    # The last log is cut where what had ended is: nobody stands for anybody.
    assert (rows.weight == 1).all()
    assert (rows.search_weight == 1).all()


def test_what_is_followed_to_its_end_is_learned_as_a_platform_must(frames: LogFrames) -> None:
    cut, rows = prefix_rows(frames.events), uncut_rows(frames.events)
    frame, opened = rows.frame, rows.frame["opened_at"]
    assert set(frame.loc[rows.test, "log"]) == {1}
    assert set(frame.loc[rows.train, "log"]) == {0}
    start = opened[rows.test].min()
    assert (frame.loc[rows.train, "last_event_at_total"] < start).all()
    validated = opened[rows.validation]
    assert (frame.loc[rows.fit, "last_event_at_total"] < validated.min()).all()
    assert (rows.train | ~(rows.fit | rows.validation)).all()
    # Long workflows are rare among those that had ended: the others stand for them.
    lead_time = frame["last_event_at_total"] - opened
    weight = pd.Series(rows.weight).groupby(lead_time[rows.train]).first()
    assert weight.is_monotonic_increasing
    assert weight.iloc[0] < weight.iloc[-1]
    assert rows.search_weight[rows.fit].max() > 1
    # Those opened too late to have ended choose nothing.
    assert start - validated.max() >= lead_time[rows.train].quantile(0.5)
    assert opened[rows.train].max() > validated.max()
    # Who stands for others chooses by that.
    alike = replace(rows, search_weight=np.ones(len(frame)))
    losses = [learned(of, feature_frame(frame), 1, 0)[1][0]["reached"] for of in (rows, alike)]
    assert losses[0] != losses[1]
    # Nothing of the last log is in it, nor are its features of the time after it.
    same = ["workflow_id", "as_of", *feature_frame(frame).columns[2:]]
    before = cut.frame[cut.frame["log"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame[same], before[same])


def test_what_the_protocol_gives_can_be_learned_from_whole(frames: LogFrames) -> None:
    ended = prefix_rows(frames.events)
    rows = all_known_rows(ended)
    assert (rows.train == ended.public).all()
    opened = rows.frame["opened_at"]
    assert opened[rows.fit].max() < opened[rows.validation].min()
    assert opened[rows.validation].min() == opened[ended.validation].min()
    assert rows.fit.sum() > ended.fit.sum()
    # Nobody needs to stand for what is there itself.
    uncut = all_known_rows(uncut_rows(frames.events))
    assert (uncut.weight == 1).all()
    assert (uncut.search_weight == 1).all()


def test_of_two_logs_the_end_of_the_first_chooses(frames: LogFrames) -> None:
    rows = prefix_rows(frames.events[frames.events["log"] < 2])
    opened = rows.frame["opened_at"]
    assert opened[rows.fit].max() < opened[rows.validation].min()
    assert (rows.frame.loc[rows.fit | rows.validation, "log"] == 0).all()


def test_medians_are_of_training_prefixes() -> None:
    train = pd.DataFrame(
        {
            "prefix_length": np.repeat([1, 2], 10),
            "activity": ["a"] * 19 + ["rare"],
            "elapsed_now_s": np.arange(20.0),
            "remaining_time_s": np.arange(20.0),
        }
    )
    said = prefix_medians(train, train.iloc[[0, 19]])
    assert said["median by prefix length"].tolist() == [4.5, 14.5]
    assert said["median by last activity"].tolist() == [9.0, 9.5]  # one row is no median
    assert said["mean by prefix length"].tolist() == [4.5, 14.5]
    assert said["median of all"].tolist() == [9.5, 9.5]
    assert said["zero"].tolist() == [0.0, 0.0]


def test_a_workflow_in_two_logs_is_refused(logs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="'w0000' occurs in two logs"):
        read_logs([logs[0], logs[0]], None, tmp_path)


def test_the_command_prints_and_writes_the_figures(
    logs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.json"
    said: list[str] = []
    update = Status.update
    monkeypatch.setattr(Status, "update", lambda of, line: said.append(line) or update(of, line))
    options = ["--train", logs[0], "--val", logs[1], "--test", logs[2]]
    arguments = ["bench", "remaining-time", *map(str, options), "--trials", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert "strict" in result.output
    assert "tried 2 of 2" in "".join(said)
    figures = json.loads(out.read_text())["figures"]
    assert [track["track"] for track in figures["tracks"]] == ["public", "strict", "uncut"]
    assert figures["tracks"][2]["errors"][0] != figures["tracks"][1]["errors"][0]
    assert figures["tracks"][0]["errors"][0] == figures["tracks"][1]["errors"][0]
    for track in figures["tracks"]:
        own, *others = track["errors"]
        by_length = next(one for one in others if one["name"] == "median by prefix length")
        assert own["mae_days"] < 0.6 * by_length["mae_days"]
        assert own["mae_low_days"] < own["mae_days"] < own["mae_high_days"]
        assert len(track["tried"]) == 2
    assert figures["peak_mib"] > 100
    assert not figures["why_not_uncut"]


@pytest.mark.parametrize(
    ("count", "why"),
    [(2, "needs 3 logs"), (3, "No workflow had ended when the first test workflow")],
)
def test_what_cannot_be_measured_uncut_is_measured_otherwise(
    count: int, why: str, logs: list[Path], tmp_path: Path
) -> None:
    """Of three logs, the first two began together: the cut tracks need no more."""
    paths = logs if count == 3 else [logs[0], logs[2]]
    if count == 3:
        rows = pd.read_csv(paths[0])
        rest = rows["case:concept:name"].isin(rows["case:concept:name"].unique()[1::2])
        paths = [tmp_path / "even.csv", tmp_path / "odd.csv", paths[2]]
        rows[rest].to_csv(paths[0], index=False)
        rows[~rest].to_csv(paths[1], index=False)
    names = ["--train", "--val", "--test"] if count == 3 else ["--train", "--test"]
    options = [one for pair in zip(names, map(str, paths), strict=True) for one in pair]
    result = CliRunner().invoke(app, ["bench", "remaining-time", *options, "--trials", "1"])
    assert result.exit_code == 0, result.output
    assert why in " ".join(result.output.split())
    assert "strict" in result.output
