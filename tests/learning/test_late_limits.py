import pandas as pd
import pytest

from pipelines.learning.labels import add_labels, late_limits, workflow_labels
from pipelines.learning.late_limits import LateLimits

START = pd.Timestamp("2024-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)
TRAIN_END = START + 60 * HOUR


def _tables(*, is_told: bool) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Forty quick and forty slow workflows and ten of a rare template, all opened at once."""
    templates = ["quick"] * 40 + ["slow"] * 40 + ["rare"] * 10
    hours = [*range(1, 41), *range(11, 51), *range(1, 11)]
    ids = [f"w{i}" for i in range(len(hours))]
    workflows = pd.DataFrame({"workflow_id": ids, "template_id": templates, "opened_at": START})
    # Every tenth has a due date of its own.
    due = [START + 20.5 * HOUR if i % 10 == 0 else pd.NaT for i in range(len(hours))]
    closed_at = START + pd.to_timedelta(hours, unit="h")
    closures = pd.DataFrame(
        {
            "workflow_id": ids,
            "closed_at": closed_at,
            "recorded_at": closed_at,
            "outcome_is_late": pd.array([True if is_told else None] * len(ids), dtype="boolean"),
        }
    )
    events = pd.DataFrame(
        [
            (one, START + h * HOUR)
            for one, most in zip(ids, hours, strict=True)
            for h in range(most)
        ],
        columns=["workflow_id", "occurred_at"],
    )
    return (
        workflows.assign(due_at=pd.to_datetime(due, utc=True)),
        closures,
        events.assign(recorded_at=events["occurred_at"]),
    )


@pytest.mark.parametrize("is_told", [False, True])
def test_a_model_calls_late_what_the_labels_call_overdue(*, is_told: bool) -> None:
    workflows, closures, events = _tables(is_told=is_told)
    labels = workflow_labels(workflows, closures, 0.8, TRAIN_END, events)
    limits = late_limits(workflows, closures, 0.8, TRAIN_END)
    moments = events.rename(columns={"occurred_at": "as_of"}).drop(columns="recorded_at")
    rows = add_labels(moments, labels).merge(workflows, on="workflow_id")
    overdue_s = limits.overdue_s(
        (rows["due_at"] - rows["as_of"]).dt.total_seconds(),
        (rows["as_of"] - rows["opened_at"]).dt.total_seconds(),
        rows["template_id"],
    )
    assert (overdue_s > 0).tolist() == rows["is_overdue"].tolist()
    assert rows["is_overdue"].any()
    without_due = rows["is_overdue"][rows["due_at"].isna()]
    assert without_due.any() != is_told


def test_each_template_with_enough_workflows_has_a_limit_of_its_own() -> None:
    workflows, closures, _ = _tables(is_told=False)
    limits = late_limits(workflows, closures, 0.8, TRAIN_END)
    assert limits.by_template_s == {"quick": 32.2 * 3_600, "slow": 42.2 * 3_600}
    assert limits.usual_of(["quick", "rare", None]).tolist() == [
        32.2 * 3_600,
        limits.usual_s,
        limits.usual_s,
    ]
    # Nothing that was recorded later is in them.
    early = late_limits(workflows, closures, 0.8, START + 26 * HOUR)
    assert early.by_template_s["quick"] == pytest.approx(20.2 * 3_600)
    assert "slow" not in early.by_template_s


def test_what_is_not_known_makes_nothing_late() -> None:
    limits = LateLimits(100.0, {"t": 50.0}, is_told_at_closing=False)
    slack, elapsed = [None, None, None, 5.0, -7.0], [None, 60.0, 60.0, 500.0, None]
    templates = [None, "t", "other", "t", None]
    assert limits.overdue_s(slack, elapsed, templates).tolist() == [0.0, 10.0, 0.0, 0.0, 7.0]
