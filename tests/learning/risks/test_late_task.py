import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.risks.late_task import late_task

AS_OF = pd.Timestamp("2024-06-01", tz="UTC")


def tasks(
    done_days: list[float], open_ages: dict[str, float], activity: str = "Check"
) -> pd.DataFrame:
    """Tasks that were done in so many days, all long ago, and tasks open for so many."""
    day = pd.Timedelta(days=1)
    begun = AS_OF - 45 * day
    done = [(f"done-{n}", activity, begun, begun + days * day) for n, days in enumerate(done_days)]
    still = [(name, activity, AS_OF - age * day, pd.NaT) for name, age in open_ages.items()]
    frame = pd.DataFrame(
        [*done, *still], columns=["task_id", "activity", "created_at", "completed_at"]
    )
    for column in ("cancelled_at", "due_at"):
        frame[column] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us, UTC]")
    frame["completed_at"] = pd.to_datetime(frame["completed_at"], utc=True)
    return frame


def with_due(frame: pd.DataFrame, name: str, days: float) -> pd.DataFrame:
    due = frame["created_at"] + pd.Timedelta(days=days)
    return frame.assign(due_at=frame["due_at"].where(frame["task_id"] != name, due))


def test_the_share_that_lasted_longer_given_the_age() -> None:
    frame = with_due(tasks([float(n) for n in range(1, 41)], {"t": 10.5}), "t", 20)
    result = late_task(frame, AS_OF)
    # Of 30 that lasted longer than 10.5 days, 20 lasted longer than 20.
    assert result["score"].to_list() == pytest.approx([20 / 30])
    assert result[["kind", "subject_id", "level"]].to_numpy().tolist() == [
        ["late_task", "t", "warning"]
    ]
    assert result["reason"].iloc[0] == (
        "'Check' has been open for 10.5 days and has 9.5 left until its due date; "
        "67% of such tasks, open for so long, took longer (40 were done)."
    )


def test_without_a_due_date_the_limit_is_a_quantile_of_the_activity() -> None:
    result = late_task(tasks([float(n) for n in range(1, 41)], {"t": 0.5, "old": 36.5}), AS_OF)
    found = result.set_index("subject_id")["score"]
    assert found["old"] == 1.0
    assert found["t"] == pytest.approx(0.2, abs=0.02)


def test_how_long_tasks_took_long_ago_is_forgotten() -> None:
    now = with_due(tasks([1.0] * 30 + [10.0] * 10, {"t": 0.5}), "t", 5)
    ago = tasks([10.0] * 100, {}).assign(task_id=[f"ago-{n}" for n in range(100)])
    for column in ("created_at", "completed_at"):
        ago[column] -= pd.Timedelta(days=90)
    both = pd.concat([now, ago], ignore_index=True)
    assert late_task(both, AS_OF)["score"].to_list() == pytest.approx([0.25])
    assert late_task(both, AS_OF, history_days=365)["score"].to_list() == pytest.approx([110 / 140])


def test_open_tasks_make_an_activity_slower_than_its_ended_ones() -> None:
    few = with_due(tasks([1.0] * 30 + [10.0] * 10, {"t": 0.5}), "t", 5)
    many = pd.concat([few, tasks([], {f"o{n}": 6.0 for n in range(40)})], ignore_index=True)
    scores = [
        late_task(frame, AS_OF).set_index("subject_id")["score"]["t"] for frame in (few, many)
    ]
    assert scores[0] == pytest.approx(0.25)
    assert scores[1] == pytest.approx(50 / 80)


def test_a_rare_activity_is_drawn_towards_all() -> None:
    usual = tasks([1.0] * 100, {})
    rare = with_due(tasks([10.0], {"t": 0.5}, "Audit"), "t", 5)
    score = late_task(pd.concat([usual, rare], ignore_index=True), AS_OF)["score"]
    # One task of its own lasted longer, for certain; 1 of 101 of all did, and counts as 20 tasks.
    assert score.to_list() == pytest.approx([(1 * 1.0 + 20 * (1 / 101)) / 21])


def test_probabilities_are_shares_of_what_happens() -> None:
    rng = np.random.default_rng(0)
    count = 4_000
    begun = pd.Series(AS_OF - pd.to_timedelta(rng.uniform(0, 60, count), unit="D"))
    ended = begun + pd.to_timedelta(rng.lognormal(1.5, 0.8, count), unit="D")
    frame = pd.DataFrame(
        {
            "task_id": [f"t{n}" for n in range(count)],
            "activity": "Check",
            "created_at": begun,
            "completed_at": ended,
            "due_at": begun + pd.to_timedelta(rng.uniform(3, 15, count), unit="D"),
        }
    ).assign(cancelled_at=pd.Series(pd.NaT, index=range(count), dtype="datetime64[ns, UTC]"))
    result = late_task(frame, AS_OF).set_index("subject_id")["score"]
    of_open = frame.set_index("task_id").loc[result.index]
    late = of_open["completed_at"] > of_open["due_at"]
    undecided = result < 1
    assert undecided.sum() > 100
    assert result[undecided].mean() == pytest.approx(late[undecided].mean(), abs=0.06)
    assert late[~undecided].all()


def test_what_happens_later_moves_no_score() -> None:
    frame = with_due(tasks([float(n) for n in range(1, 41)], {"t": 3.0, "u": 9.0}), "t", 20)
    later = frame.assign(completed_at=frame["completed_at"].fillna(AS_OF + pd.Timedelta(hours=1)))
    future = tasks([], {"future": -1.0})
    told = late_task(pd.concat([later, future], ignore_index=True), AS_OF)
    pd.testing.assert_frame_equal(told, late_task(frame, AS_OF))


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(TrainingError, match="11 tasks had begun"):
        late_task(tasks([1.0] * 10, {"t": 1.0}), AS_OF)
    with pytest.raises(TrainingError, match="between 0 and 1"):
        late_task(tasks([1.0] * 40, {"t": 1.0}), AS_OF, late_quantile=1.0)
