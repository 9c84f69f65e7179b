"""An interval added to the features gives what a build from scratch gives."""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit
from pipelines.features.build import build_features
from pipelines.features.update import update_features
from tests.features.lakes import files, read_view, write_history
from tests.features.random_history import random_tables
from tests.features.tables import at

Tables = dict[HistoryTable, pa.Table]


def _assert_same(lake: str, scratch: str) -> None:
    for view in FeatureView:
        assert read_view(lake, view).to_pylist() == read_view(scratch, view).to_pylist(), view
    # The same rows in the same order give the same bytes, in the facts too.
    for folder in ("features", "feature_facts"):
        assert files(lake, folder) == files(scratch, folder)


def _cuts(seed: int) -> list[datetime]:
    """Moments of several kinds: whole days, within a day, at a recording, far apart, too late."""
    random = Random(seed)  # noqa: S311 - a test's dice
    first = random.randrange(5, 15)
    return [
        at(first),
        at(first + 1),
        at(first + 1, 7),  # in the middle of a day, at a whole hour: something is recorded
        at(first + 1, 9) + timedelta(microseconds=1),
        at(first + 20, 3),  # over the end of a month
        at(first + 21),
        at(100),
    ]


@pytest.mark.parametrize(("seed", "unit"), [(1, "month"), (2, "day"), (3, "month")])
def test_interval_by_interval_is_as_from_scratch(
    tmp_path: Path, seed: int, unit: PartitionUnit
) -> None:
    tables = random_tables(seed, workflow_count=40)
    lake, scratch = str(tmp_path / "lake"), str(tmp_path / "scratch")
    since = None
    for until in _cuts(seed):
        write_history(lake, tables, until, unit)
        result = update_features(lake, until, unit)
        assert (result.since, result.watermark) == (since, until), result.because
        build_features(write_history(scratch, tables, until, unit), until, unit)
        _assert_same(lake, scratch)
        since = until


def test_parts_of_a_history_give_the_same_bytes(tmp_path: Path) -> None:
    tables = random_tables(5, workflow_count=40)
    whole, parted = (write_history(str(tmp_path / name), tables) for name in ("whole", "parted"))
    build_features(whole, at(60), "month")
    build_features(parted, at(60), "month", part_events=30)
    _assert_same(parted, whole)
