import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.next_activity.last_prefix import last_prefixes
from pipelines.learning.next_activity.prefixes import prefix_features


def _events(seed: int, workflow_count: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(workflow_count):
        moment = pd.Timestamp("2024-05-01", tz="UTC") + pd.Timedelta(hours=int(rng.integers(900)))
        for _ in range(int(rng.integers(1, 9))):
            moment += pd.Timedelta(seconds=float(rng.integers(0, 200_000)))
            rows.append(
                {
                    "workflow_id": f"W-{number}",
                    "as_of": moment,
                    "activity": rng.choice(["register", "ask, “twice”", "decide"]),
                    "person_id": rng.choice(["P-1", "P-2", None]),
                    "team_id": rng.choice(["T-1", None]),
                    "task_attributes": '{"amount": 1}',
                    "template_id": rng.choice(["A", None]),
                    "priority": rng.choice(["low", "high"]),
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("left_out", [[], ["person_id", "team_id", "priority"]])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_the_last_rows_of_all_prefixes(seed: int, left_out: list[str]) -> None:
    events = _events(seed).drop(columns=left_out)
    expected = prefix_features(events).drop_duplicates("workflow_id", keep="last")
    pd.testing.assert_frame_equal(
        last_prefixes(events), expected.reset_index(drop=True), check_dtype=False
    )


def test_a_missing_column_is_named() -> None:
    with pytest.raises(TrainingError, match="activity"):
        last_prefixes(_events(0).drop(columns="activity"))
