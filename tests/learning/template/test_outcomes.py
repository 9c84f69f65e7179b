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
        # Enough of the same priority: 1..19 and 101..120.
        ("x", "a", "low", [39, 101.0, 4.8, 116.2, (19 + 20 * OF_X) / 59]),
        ("x", "new", "low", [39, 101.0, 4.8, 116.2, (19 + 20 * OF_X) / 59]),
        # Too few of the priority, enough of the client.
        ("x", "a", "high", [20, 10.5, 2.9, 18.1, (20 + 20 * OF_X) / 40]),
        ("x", "b", None, [20, 110.5, 102.9, 118.1, 20 * OF_X / 40]),
        # A new client as well: the template's.
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


def test_intervals_are_widened_to_hold_what_came_later() -> None:
    # The logs of one more than the lead times are 0, 1 and 3 in the one group there is.
    table = (
        Outcomes.fit(ROWS)
        .table.head(1)
        .assign(lead_time_s_p10=0.0, lead_time_s=np.expm1(1.0), lead_time_s_p90=np.expm1(3.0))
    )
    outcomes = Outcomes(table)
    # From the median, in halves of the interval: 0.5 below it, then 0, 0.5, 1.5 and 2 above.
    logs = np.array([0.5, 1.0, 2.0, 4.0, 5.0])
    later = pd.DataFrame({"template_id": "x", "client_id": None, "priority": None}, index=range(5))
    later = later.assign(lead_time_s=np.expm1(logs))
    assert outcomes.widening(later) == pytest.approx(2.0)  # the fifth: ceil(6 x 0.8)
    assert outcomes.widening(later.assign(lead_time_s=np.expm1(1.0))) == 1.0
    assert outcomes.widening(later.assign(lead_time_s=1e9)) == 3.0
    assert outcomes.widening(later.head(0)) == 1.0
    wide = outcomes.widened(1.5).table.iloc[0]
    found = wide[["lead_time_s_p10", "lead_time_s", "lead_time_s_p90"]].astype(float)
    np.testing.assert_allclose(found, [0.0, np.expm1(1.0), np.expm1(4.0)])


def test_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    outcomes = Outcomes.fit(ROWS)
    outcomes.save(tmp_path)
    answers = outcomes.expected(ROWS)
    pd.testing.assert_frame_equal(Outcomes.load(tmp_path).expected(ROWS), answers)
