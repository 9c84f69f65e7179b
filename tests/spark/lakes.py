"""Two lakes with one history, one for each engine, and what must be equal in them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from pipelines.contracts import FEATURES_FOLDER, HISTORY_FOLDER, QUARANTINE_FOLDER, FeatureView
from pipelines.extract.lake import list_partitions, read_partition
from pipelines.features.build import BuildResult
from pipelines.features.engine import build_views
from pipelines.features.views import VIEWS
from pipelines.settings import Settings


def copy_history(source: str, *targets: Settings) -> None:
    for target in targets:
        for folder in (HISTORY_FOLDER, QUARANTINE_FOLDER):
            if (found := Path(source, folder)).is_dir():
                shutil.copytree(found, Path(target.lake, folder))


def build_both(on_duckdb: Settings, on_spark: Settings) -> BuildResult:
    """Build every view on both engines and compare what they say and what they wrote."""
    expected = build_views(on_duckdb, None)
    told: list[tuple[FeatureView, int, int]] = []
    assert build_views(on_spark, None, lambda *step: told.append(step)) == expected
    assert told == [(view, n, len(FeatureView)) for n, view in enumerate(FeatureView, 1)]
    assert_same_features(on_duckdb.lake, on_spark.lake)
    return expected


def assert_same_features(
    expected: str, found: str, views: Iterable[FeatureView] = FeatureView
) -> None:
    """Every partition has the same rows in the same order, and the schema of its view."""
    for view in views:
        folder = f"{FEATURES_FOLDER}/{view.value}"
        starts = list_partitions(expected, folder)
        assert list_partitions(found, folder) == starts
        for start in starts:
            wanted, got = (read_partition(lake, folder, start) for lake in (expected, found))
            assert got.schema.equals(VIEWS[view].schema), view
            different = [name for name in got.column_names if not got[name].equals(wanted[name])]
            assert not different, (view, start, different)
    assert not list(Path(found).rglob(".*")), "nothing half-written remains"
