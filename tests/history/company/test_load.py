"""The usual company is believable: loaded, sometimes late, and for reasons that can be seen."""

import pandas as pd
import pytest

from pipelines.history.company import START
from pipelines.history.company.design import design_company

from .conftest import History


@pytest.fixture(scope="module")
def workflows(usual: History) -> pd.DataFrame:
    workflows = usual.frame("workflows")
    workflows["lead_days"] = (workflows.closed_at - workflows.opened_at).dt.total_seconds() / 86_400
    late = (workflows.closed_at > workflows.due_at).astype(float)
    workflows["is_late"] = late.where(workflows.closed_at.notna())
    return workflows


def test_size_and_span(usual: History, workflows: pd.DataFrame) -> None:
    assert usual.table("tasks").num_rows == 20_000
    assert len(usual.table("people")) == 60
    end = usual.frame("task_events").occurred_at.max()
    assert pd.Timestamp("2025-01-01", tz="UTC") < end < pd.Timestamp("2025-07-01", tz="UTC")
    assert 0.005 < workflows.closed_at.isna().mean() < 0.1


def test_a_quarter_is_late_but_no_month_breaks_down(workflows: pd.DataFrame) -> None:
    assert 0.2 <= workflows.is_late.mean() <= 0.32
    by_month = workflows.groupby(workflows.opened_at.dt.strftime("%Y-%m")).is_late.mean()
    assert by_month.max() < 0.75
    by_template = workflows.groupby("template_id")
    assert by_template.is_late.mean().between(0.08, 0.5).all()
    assert by_template.lead_days.median().between(2, 25).all()
    assert workflows.lead_days.quantile(0.99) < 60


def test_utilisation(usual: History) -> None:
    company = design_company(20_000, 20_240_101, START)
    shifts = {person.person_id: person.shifts for person in company.people}
    events = usual.frame("task_events")
    seconds = (events.occurred_at - START).dt.total_seconds().astype(int)
    worked_s, begun = 0, {}
    for task, transition, person, at in zip(
        events.task_id, events.transition, events.person_id, seconds, strict=True
    ):
        if transition in {"started", "resumed"}:
            begun[task] = (person, at)
        elif task in begun and transition in {"suspended", "completed", "cancelled"}:
            who, since = begun.pop(task)
            worked_s += shifts[who].worked_until(at) - shifts[who].worked_until(since)
    end = int(seconds.iloc[-1])
    assert 0.68 < worked_s / sum(one.worked_until(end) for one in shifts.values()) < 0.85


def test_lateness_has_causes_that_can_be_seen(usual: History, workflows: pd.DataFrame) -> None:
    by_priority = workflows.groupby("priority").is_late.mean()
    assert by_priority["urgent"] > by_priority["low"] + 0.05
    leads = workflows.groupby("priority").lead_days.median()
    assert leads["urgent"] < leads["normal"] < leads["low"]
    # Load: workflows opened while many are open take longer.
    opened = workflows.sort_values("opened_at").reset_index(drop=True)
    closings = opened.closed_at.dropna().sort_values().to_numpy()
    opened["open_count"] = opened.index - closings.searchsorted(opened.opened_at.to_numpy())
    full = opened.open_count > opened.open_count.median()
    late = opened.is_late
    assert late[full].mean() > late[~full].mean() + 0.08
    assert opened[["open_count", "lead_days"]].corr("spearman").iloc[0, 1] < 0.8  # not all of it


def test_skill_makes_work_fast_and_good(usual: History, workflows: pd.DataFrame) -> None:
    tasks = usual.frame("tasks").merge(workflows[["workflow_id", "template_id"]])
    tasks = tasks.merge(usual.frame("template_tasks"), on=["template_id", "activity"])
    tasks = tasks.merge(usual.frame("person_skills"), on=["person_id", "skill_id"])
    tasks["is_again"] = tasks.duplicated(["workflow_id", "activity"])
    tasks["service_h"] = (tasks.completed_at - tasks.started_at).dt.total_seconds() / 3600
    first = tasks[~tasks.is_again & (tasks.skill_id == "intake")]
    assert first[["level_ratio", "service_h"]].corr("spearman").iloc[0, 1] < -0.05
    written = tasks[tasks.activity.isin(["Draft contract", "Update contract", "Decide claim"])]
    again = written.groupby("workflow_id").is_again.any()
    level = written[~written.is_again].set_index("workflow_id").level_ratio
    assert 0.05 < again.mean() < 0.35
    assert again[level[level >= 0.75].index].mean() < again[level[level <= 0.25].index].mean()
