"""The rows that belong online, in batches that bound the memory."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS, ViewSpec
from pipelines.store.latest import latest_rows
from tests.store.lake_of_features import WATERMARK, write_lake


def rows(lake: Path, spec: ViewSpec, keys_a_batch: int) -> tuple[list[int], pa.Table]:
    found = list(latest_rows(str(lake), spec, None, WATERMARK, keys_a_batch=keys_a_batch))
    assert {total for _, total in found} == {sum(table.num_rows for table, _ in found)}
    whole = pa.concat_tables(table for table, _ in found)
    order = [(name, "ascending") for name in spec.entity_columns]
    return [table.num_rows for table, _ in found], whole.sort_by(order)


@pytest.mark.parametrize("view", [FeatureView.WORKFLOW_PROGRESS, FeatureView.PERSON_ACTIVITY])
def test_batches_are_the_whole(view: FeatureView, tmp_path: Path) -> None:
    write_lake(str(tmp_path), 50)
    (count,), whole = rows(tmp_path, VIEWS[view], 1_000)
    sizes, parts = rows(tmp_path, VIEWS[view], 7)
    assert sizes[:-1] == [7] * (count // 7)
    assert parts.equals(whole)


def test_no_files_no_rows(tmp_path: Path) -> None:
    spec = VIEWS[FeatureView.TEAM_LOAD]
    assert list(latest_rows(str(tmp_path), spec, None, WATERMARK)) == []
    write_lake(str(tmp_path), 20)
    start = WATERMARK + timedelta(days=90)
    assert list(latest_rows(str(tmp_path), spec, start, start)) == []
