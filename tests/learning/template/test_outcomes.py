from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.learning.template.outcomes import Outcomes

# 40 workflows of x (client a: 20, 1..20 s, in time; b: 20, 101..120 s, late), 2 of y.
ROWS = pd.DataFrame(
    {
        "template_id": ["x"] * 40 + ["y"] * 2,
        "client_id": ["a"] * 20 + ["b"] * 20 + ["a"] * 2,
        "priority": ["low"] * 19 + ["high"] + ["low"] * 20 + [None] * 2,
        "lead_time_s": [*range(1, 21), *range(101, 121), 7.0, 9.0],
        "is_late": pd.array([False] * 20 + [True] * 20 + [False] * 2, dtype="boolean"),
    }
)
OVERALL = 22 / 42
OF_X = (20 + 20 * OVERALL) / 60


@pytest.mark.parametrize(
    ("template", "client", "priority", "expected"),
    [
        # Enough of the same client.
        ("x", "a", "low", [20, 10.5, 2.9, 18.1, (20 + 20 * OF_X) / 40]),
        ("x", "b", "low", [20, 110.5, 102.9, 118.1, 20 * OF_X / 40]),
        # A new client, enough of the same priority: 1..19 and 101..120.
        ("x", "new", "low", [39, 101.0, 4.8, 116.2, (19 + 20 * OF_X) / 59]),
        # Too few of the priority: the template's.
        ("x", None, "high", [40, 60.5, 4.9, 116.1, OF_X]),
        ("y", "a", "low", [2, 8.0, 7.2, 8.8, (2 + 20 * OVERALL) / 22]),
        # Never tried.
        ("z", "a", "low", [0, None, None, None, None]),
    ],
)
def test_the_most_similar_workflows_answer(
    template: str, client: str | None, priority: str, expected: list[float | None]
) -> None:
    pairs = pd.DataFrame(
        {"template_id": [template], "client_id": [client], "priority": [priority]}, index=[7]
    )
    found = Outcomes.fit(ROWS).expected(pairs)
    assert found.index.tolist() == [7]
    np.testing.assert_allclose(found.iloc[0].astype(float), np.array(expected, dtype=float))


def test_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    outcomes = Outcomes.fit(ROWS)
    outcomes.save(tmp_path)
    answers = outcomes.expected(ROWS)
    pd.testing.assert_frame_equal(Outcomes.load(tmp_path).expected(ROWS), answers)
