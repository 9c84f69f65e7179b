"""Training sets on disk, named by their content."""

import hashlib
from pathlib import Path

import pandas as pd

from pipelines.store.training_sets import save_training_set


def test_the_same_frame_is_the_same_file(tmp_path):
    frame = pd.DataFrame(
        {
            "workflow_id": ["a", None],
            "count": pd.array([1, None], dtype="Int64"),
            "at": pd.to_datetime(["2024-01-01", None], utc=True).as_unit("us"),
        }
    )
    path = save_training_set(str(tmp_path), "remaining_time", frame)
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert path == f"{tmp_path}/training/remaining_time/{digest}.parquet"
    assert save_training_set(str(tmp_path), "remaining_time", frame.copy()) == path
    assert save_training_set(str(tmp_path), "remaining_time", frame[:1]) != path
    assert len(list(Path(path).parent.iterdir())) == 2
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)
