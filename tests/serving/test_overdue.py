"""What the service says of workflows that are late already."""

from datetime import datetime, timedelta

import pytest

from pipelines.learning.encode import FEW_ROWS
from serving.reasons import overdue_reasons
from tests.serving.conftest import World
from tests.serving.made_rows import AS_OF, feature_row

DUE_AT = "workflow_progress__due_at"
OPENED_AT = "workflow_progress__opened_at"
LATE = {
    "slack_s": (
        {DUE_AT: AS_OF - timedelta(days=18, hours=2)},
        18 * 86_400 + 7_200,
        "It was due 2016-03-14 10:00 UTC, 18 d 2 h ago: it is late already.",
    ),
    "elapsed_now_s": (
        {DUE_AT: None, OPENED_AT: AS_OF - timedelta(days=12)},
        3 * 86_400,
        "It has been open for 3 d 0 h longer than the usual 9 d 0 h: it is late already.",
    ),
}


@pytest.mark.parametrize("feature", LATE)
@pytest.mark.parametrize("count", [1, FEW_ROWS + 1])
def test_what_is_late_already_is_certain(world: World, feature: str, count: int) -> None:
    changes, overdue_s, told = LATE[feature]
    world.store.rows["late"] = feature_row("late", **changes)
    asked = {"workflow_ids": ["late"] * count} if count > 1 else {"workflow_id": "late"}
    answer = world.client.post("/assess_risk", json=asked).json()
    for one in answer["answers"] if count > 1 else [answer]:
        assert (one["late_probability"], one["overdue_s"]) == (1.0, overdue_s)
        (reason,) = one["reasons"]
        assert (reason["feature"], reason["text"]) == (feature, told)
        assert (reason["effect"], reason["contribution"]) == ("decides", None)
    logged = world.log.rows[0]
    assert logged.output["overdue_s"] == overdue_s
    assert {feature, "workflow_progress__template_id"} <= logged.features.keys()
    # If it were due later, it would be as uncertain as any.
    later = {DUE_AT: (AS_OF + timedelta(days=1)).isoformat()}
    asked = {"workflow_id": "late", "overrides": later}
    answer = world.client.post("/assess_risk", json=asked).json()
    assert 0 < answer["late_probability"] < 1
    assert answer["overdue_s"] == 0
    assert answer["reasons"][0]["contribution"] is not None


@pytest.mark.parametrize("due_at", [None, AS_OF + timedelta(days=1)])
def test_slack_that_is_only_asked_about_decides(due_at: datetime | None) -> None:
    row = {"as_of": AS_OF, DUE_AT: due_at, "slack_s": -7_200.0, "elapsed_now_s": 60.0}
    (reason,) = overdue_reasons(row, 7_200.0)
    assert (reason.feature, reason.value) == ("slack_s", -7_200)
    assert reason.text == "It was due 2016-04-01 10:00 UTC, 2 h 0 min ago: it is late already."
