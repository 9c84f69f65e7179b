from pathlib import Path

import pandas as pd
import pytest

from pipelines.bench.ablations import (
    ABLATIONS,
    BEST_MEDIANS,
    WHOLE,
    Ablation,
    AblationResult,
    ablation_rows,
    measure_ablations,
    split_logs,
)
from pipelines.errors import BenchmarkError
from tests.benchmarks.logs import write_logs

ALL_KNOWN = next(one for one in ABLATIONS if one.name == "learns from workflows not ended too")
NEITHER = next(one for one in ABLATIONS if one.name == "neither")
BLIND = Ablation("the hour alone", without=r"^(?!hour$)", one_trial=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("split")
    for part, path in zip(("train", "val", "test"), write_logs(folder), strict=True):
        path.rename(folder / f"{part}_small.csv")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, AblationResult]:
    ablations = (ABLATIONS[0], ALL_KNOWN, NEITHER, BLIND)
    found = measure_ablations(split_logs(folder), 2, 0, lambda _: None, ablations)
    return {one.name: one for one in found}


def test_split_logs_are_found_by_name(folder: Path, tmp_path: Path) -> None:
    (paths,) = split_logs(folder).values()
    assert [path.name for path in paths] == ["train_small.csv", "val_small.csv", "test_small.csv"]
    (tmp_path / "test_alone.csv").touch()
    with pytest.raises(BenchmarkError, match="no train_<log>"):
        split_logs(tmp_path)


def test_what_carries_the_result_shows(results: dict[str, AblationResult]) -> None:
    whole, without = results[WHOLE], results[BLIND.name]
    assert without.ratio(whole) > 1.3
    assert whole.ratio(whole) == 1
    assert set(whole.mae_days) == {"small", "small, uncut"}


def test_rows_of_workflows_not_ended_make_a_difference(results: dict[str, AblationResult]) -> None:
    assert results[ALL_KNOWN.name].mae_days != results[WHOLE].mae_days
    medians = [results[name].mae_days["small"] for name in BEST_MEDIANS.values()]
    assert medians[0] != medians[1]


def test_that_some_had_not_ended_matters_where_the_test_is_not_cut_alike(
    results: dict[str, AblationResult],
) -> None:
    whole, neither = results[WHOLE].mae_days, results[NEITHER.name].mae_days
    assert neither["small"] == whole["small"]
    assert neither["small, uncut"] != whole["small, uncut"]


def test_a_log_that_tells_too_little_uncut_is_measured_cut(folder: Path, tmp_path: Path) -> None:
    """Its first two logs began together: nothing had ended when the second began."""
    (paths,) = split_logs(folder).values()
    rows = pd.read_csv(paths[0])
    ids = rows["case:concept:name"].unique()[::2]
    is_first = rows["case:concept:name"].isin(ids)
    halves = [tmp_path / "train.csv", tmp_path / "val.csv"]
    for path, mask in zip(halves, (is_first, ~is_first), strict=True):
        rows[mask].to_csv(path, index=False)
    told: list[str] = []
    logs = {"together": [*halves, paths[2]]}
    whole, *_ = measure_ablations(logs, 1, 0, told.append, ABLATIONS[:1])
    assert set(whole.mae_days) == {"together"}
    assert any("not measured uncut: No workflow had ended" in one for one in told)


def test_a_table_compares_with_the_whole(results: dict[str, AblationResult]) -> None:
    header, rows = ablation_rows(list(results.values()))
    assert header == ["", "of whole", "small", "small, uncut"]
    assert rows[0][:2] == [WHOLE, "1.000"]
    names = [WHOLE, ALL_KNOWN.name, NEITHER.name, BLIND.name]
    assert [row[0] for row in rows] == [*names, *BEST_MEDIANS.values()]


def test_every_pattern_takes_something_away() -> None:
    whole, names = ABLATIONS[0], [one.name for one in ABLATIONS]
    assert len(set(names)) == len(names)
    assert all(
        one.without or one.one_trial or one.space != whole.space or one.of_rows != whole.of_rows
        for one in ABLATIONS[1:]
    )
