import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.labels import add_labels, workflow_labels

START = pd.Timestamp("2024-01-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)
END = START + 1000 * HOUR


def _tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    workflows = pd.DataFrame(
        {
            "workflow_id": ["due_met", "due_missed", "labelled", "open"],
            "template_id": ["a"] * 4,
            "opened_at": [START] * 4,
            "due_at": [START + 5 * HOUR, START + 5 * HOUR, pd.NaT, pd.NaT],
        }
    )
    closures = pd.DataFrame(
        {
            "workflow_id": ["due_met", "due_missed", "labelled"],
            "closed_at": [START + 5 * HOUR, START + 6 * HOUR, START + 2 * HOUR],
            # The due date goes before what the log says.
            "outcome_is_late": pd.array([True, False, True], dtype="boolean"),
            "recorded_at": [START + 6 * HOUR] * 3,
        }
    )
    return workflows, closures


def test_labels_of_each_rule() -> None:
    workflows, closures = _tables()
    moments = pd.DataFrame(
        {
            "workflow_id": ["due_met", "due_missed", "labelled", "open"],
            "as_of": [START + HOUR] * 4,
            "feature": [1, 2, 3, 4],
        }
    )
    before = moments.copy()
    labelled = add_labels(moments, workflow_labels(workflows, closures, 0.8, END))

    pd.testing.assert_frame_equal(moments, before)
    assert labelled["remaining_time_s"].tolist()[:3] == [4 * 3600, 5 * 3600, 3600]
    assert labelled["lead_time_s"].tolist()[:3] == [5 * 3600, 6 * 3600, 2 * 3600]
    assert labelled["is_late"].tolist() == [False, True, True, pd.NA]
    assert labelled["late_rule"].tolist()[:3] == ["due_date", "due_date", "outcome"]
    assert labelled["label_known_at"].tolist()[:3] == [START + 6 * HOUR] * 3
    assert labelled["label_wait_s"].tolist()[:3] == [6 * 3600] * 3
    assert pd.isna(labelled.loc[3, "label_known_at"])
    assert pd.isna(labelled.loc[3, "remaining_time_s"])


def test_moments_at_or_after_the_closing_are_dropped() -> None:
    workflows, closures = _tables()
    moments = pd.DataFrame(
        {
            "workflow_id": ["labelled"] * 3,
            "as_of": [START + 1.99 * HOUR, START + 2 * HOUR, START + 3 * HOUR],
        }
    )
    assert len(add_labels(moments, workflow_labels(workflows, closures, 0.8, END))) == 1


def _lead_times(hours: list[float], template: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "workflow_id": [f"{template}{i}" for i in range(len(hours))],
            "template_id": template,
            "opened_at": START,
            "due_at": pd.NaT,
            "closed_at": [START + h * HOUR for h in hours],
        }
    )


def test_without_due_date_and_outcome_late_is_beyond_the_templates_quantile() -> None:
    facts = pd.concat(
        [
            _lead_times([float(i) for i in range(1, 41)], "short"),
            _lead_times([100.0 + i for i in range(1, 41)], "long"),
            _lead_times([50.0], "rare"),  # judged by all templates' 80 %, which is 124.2 hours
        ],
        ignore_index=True,
    )
    closures = facts[["workflow_id", "closed_at"]].assign(
        outcome_is_late=None, recorded_at=facts["closed_at"]
    )
    late = workflow_labels(facts.drop(columns="closed_at"), closures, 0.8, END)["is_late"]

    assert late[late].index.tolist() == [
        *(f"short{i}" for i in range(32, 40)),
        *(f"long{i}" for i in range(32, 40)),
    ]


def test_the_quantile_is_of_the_training_period_only() -> None:
    facts = _lead_times([float(i) for i in range(1, 41)], "t")
    closures = facts[["workflow_id", "closed_at"]].assign(
        outcome_is_late=None, recorded_at=facts["closed_at"]
    )
    train_end = START + 26 * HOUR  # lead times of 1 to 25 hours: 80 % is 20.2
    late = workflow_labels(facts.drop(columns="closed_at"), closures, 0.8, train_end)["is_late"]
    assert late[late].index.tolist() == [f"t{i}" for i in range(20, 40)]


def test_a_missing_column_is_named() -> None:
    workflows, closures = _tables()
    moments = pd.DataFrame({"workflow_id": ["open"]})
    with pytest.raises(TrainingError, match="prediction moments lack the columns as_of"):
        add_labels(moments, workflow_labels(workflows, closures, 0.8, END))


def _happened(of: dict[str, list[float]]) -> pd.DataFrame:
    """Events after so many hours, each recorded half an hour later."""
    rows = [(name, START + h * HOUR) for name, hours in of.items() for h in hours]
    events = pd.DataFrame(rows, columns=["workflow_id", "occurred_at"])
    return events.assign(recorded_at=events["occurred_at"] + 0.5 * HOUR)


@pytest.mark.parametrize("dtype", ["object", "category"])
def test_what_is_overdue_is_late_before_it_has_ended(dtype: str) -> None:
    workflows, closures = _tables()
    workflows = workflows.assign(due_at=[START + h * HOUR for h in (5, 5.1, 5.05, 5.01)])
    events = _happened(
        {"due_met": [1, 5], "due_missed": [4, 5.2, 5.6], "labelled": [1], "open": [2, 5, 7, 8]}
    ).astype({"workflow_id": dtype})
    labels = workflow_labels(workflows, closures, 0.8, END, events)
    assert labels["is_late"].to_dict() == {
        "due_met": False,
        "due_missed": True,
        "labelled": False,
        "open": True,
    }
    # By the closing, by the first event beyond the due date, by the closing, by the first event.
    assert labels["label_known_at"].tolist() == [START + hours * HOUR for hours in (6, 5.7, 6, 7.5)]
    assert pd.isna(labels.loc["open", "closed_at"])
    assert labels.loc["open", "late_rule"] == "due_date"
    # At the due date itself it was in time; silence says nothing.
    early = events[events["occurred_at"] <= START + 5 * HOUR]
    assert pd.isna(workflow_labels(workflows, closures, 0.8, END, early).loc["open", "is_late"])


def test_without_due_dates_what_goes_on_beyond_the_quantile_is_late() -> None:
    facts = _lead_times([float(i) for i in range(1, 41)], "t")  # 80 %: 32.2 hours
    closed = facts[["workflow_id", "closed_at"]].assign(
        outcome_is_late=None, recorded_at=facts["closed_at"]
    )
    opened = pd.concat(
        [facts, facts.head(2).assign(workflow_id=["slow", "unknown"])], ignore_index=True
    ).drop(columns="closed_at")
    labels = workflow_labels(
        opened, closed, 0.8, END, _happened({"slow": [32.3], "unknown": [32.1]})
    )
    assert labels.loc["slow", "is_late"] == True  # noqa: E712 - not "missing"
    assert pd.isna(labels.loc["unknown", "is_late"])
    # Where closings say what was late, going on for long does not.
    told = closed.assign(outcome_is_late=False)
    labels = workflow_labels(opened, told, 0.8, END, _happened({"slow": [32.3]}))
    assert pd.isna(labels.loc["slow", "is_late"])


def test_what_happens_after_a_closing_in_time_makes_nothing_late() -> None:
    workflows, closures = _tables()
    events = _happened({"due_met": [5.2, 9]})  # known before the closing, which says otherwise
    labels = workflow_labels(workflows, closures, 0.8, END, events)
    assert labels["is_late"]["due_met"] == False  # noqa: E712 - not "missing"
    assert labels.loc["due_met", "label_known_at"] == START + 6 * HOUR


def test_a_moment_beyond_the_limit_is_overdue() -> None:
    workflows, closures = _tables()
    workflows = workflows.assign(due_at=START + 5 * HOUR)
    moments = pd.DataFrame(
        {"workflow_id": ["open"] * 3, "as_of": [START + h * HOUR for h in (4, 5, 5.1)]}
    )
    labels = workflow_labels(workflows, closures, 0.8, END, _happened({"open": [4, 5, 5.1]}))
    assert add_labels(moments, labels)["is_overdue"].tolist() == [False, False, True]
    # Of remaining time, a workflow beyond its due date asks as much as before.
    labels = workflow_labels(workflows, closures, 0.8, END)
    assert not add_labels(moments, labels)["is_overdue"].any()
