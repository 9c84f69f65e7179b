import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.task_duration.spans import Span, task_spans

_DAY = pd.Timestamp("2024-05-06", tz="UTC")


def at(minute: float | None) -> pd.Timestamp:
    return pd.NaT if minute is None else _DAY + pd.Timedelta(minutes=minute)


def history() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Created, started and completed; started late; never created; given up; completed only."""
    tasks = pd.DataFrame(
        [
            ("w/check", "w", "check", "bob", 1, 4, 9, None),
            ("w/early", "w", "early", "ann", 8, 6, 12, None),
            ("w/decide", "w", "decide", None, None, 20, 50, None),
            ("w/drop", "w", "drop", "ann", 21, 22, None, 30),
            ("v/first", "v", "first", "cem", None, None, 3, None),
        ],
        columns=[
            "task_id",
            "workflow_id",
            "activity",
            "person_id",
            "created_at",
            "started_at",
            "completed_at",
            "cancelled_at",
        ],
    )
    for name in ("created_at", "started_at", "completed_at", "cancelled_at"):
        tasks[name] = pd.to_datetime(
            [at(None if pd.isna(minute) else float(minute)) for minute in tasks[name]], utc=True
        )
    events = pd.DataFrame(
        [
            ("w", "check", "created", None, 1),
            ("w", "check", "started", "ann", 4),
            ("w", "early", "started", "ann", 6),
            ("w", "early", "created", None, 8),
            ("w", "check", "completed", "bob", 9),
            ("w", "early", "completed", "ann", 12),
            ("w", "decide", "started", None, 20),
            ("w", "drop", "created", None, 21),
            ("w", "drop", "started", "ann", 22),
            ("w", "drop", "cancelled", "ann", 30),
            ("w", "decide", "completed", None, 50),
            ("v", "first", "completed", "cem", 3),
        ],
        columns=["workflow_id", "activity", "transition", "person_id", "as_of"],
    )
    return tasks, events.assign(as_of=[at(minute) for minute in events["as_of"]])


def spans_of(span: Span) -> dict[str, tuple[float, float | None, str]]:
    """Minute asked at, minutes it took, person; by task."""
    spans = task_spans(*history(), span)
    return {
        task_id: (
            (as_of - _DAY).total_seconds() / 60,
            None if pd.isna(duration_s) else duration_s / 60,
            person,
        )
        for task_id, as_of, duration_s, person in zip(
            spans["task_id"], spans["as_of"], spans["duration_s"], spans["person_id"], strict=True
        )
    }


def test_a_service_time_is_the_starters() -> None:
    assert spans_of(Span.SERVICE) == {
        "w/check": (4.0, 5.0, "ann"),  # bob, who completed it, is not known yet
        "w/early": (6.0, 6.0, "ann"),
        "w/decide": (20.0, 30.0, ""),
        "w/drop": (22.0, None, "ann"),
    }


_INSTANT = 1e-6 / 60


def test_a_task_waits_from_when_it_was_ready() -> None:
    found = spans_of(Span.WAITING)
    assert found == {
        "w/check": (1.0, 3.0, "bob"),
        "w/early": (6.0, 0.0, "ann"),  # started before it was created
        "w/decide": (pytest.approx(12 + _INSTANT, abs=1e-9), 8.0, ""),  # since the event before
        "w/drop": (21.0, 1.0, "ann"),
    }
    assert found["w/decide"][0] > 12


def test_sojourn_is_waiting_and_service() -> None:
    assert {name: minutes for name, (_, minutes, _) in spans_of(Span.SOJOURN).items()} == {
        "w/check": 8.0,
        "w/early": 6.0,
        "w/decide": 38.0,
        "w/drop": None,
    }


def test_a_cancelled_task_is_left_when_it_was_cancelled() -> None:
    spans = task_spans(*history(), Span.SERVICE).set_index("task_id")
    assert spans.loc["w/drop", "left_at"] == at(30)
    assert pd.isna(spans.loc["w/drop", "ended_at"])
    assert spans["waited_s"].to_dict() == {
        "w/check": 180.0,
        "w/early": 0.0,
        "w/decide": 480.0,
        "w/drop": 60.0,
    }


def test_tables_without_the_columns_are_refused() -> None:
    tasks, events = history()
    with pytest.raises(TrainingError, match="tasks lack the columns started_at"):
        task_spans(tasks.drop(columns="started_at"), events, Span.SERVICE)
