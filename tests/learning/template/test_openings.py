import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.template.openings import opening_row, openings
from tests.learning.template.workflows import make_task_events, make_workflows


def test_what_is_known_at_the_opening_and_not_the_promise() -> None:
    workflows = make_workflows(13).iloc[::-1]
    known = openings(workflows, make_task_events(workflows).sample(frac=1, random_state=0))
    expected = pd.DataFrame(
        {
            "workflow_id": workflows["workflow_id"],
            "as_of": workflows["opened_at"],
            "client_id": workflows["client_id"],
            "priority": workflows["priority"],
            "opening_team_id": "desk",
            "workflow_attributes": workflows["attributes"],
            "hour": [0, *range(22, -1, -2)],
            "weekday": [1, *[0] * 12],
        }
    )
    pd.testing.assert_frame_equal(known, expected, check_dtype=False)


def test_whatever_happens_after_the_opening_changes_nothing() -> None:
    workflows = make_workflows(30)
    events = make_task_events(workflows)
    later = pd.Timedelta(days=3)
    changed = workflows.assign(
        template_id="other", due_at=workflows["due_at"] + later, closed_at=None, outcome="lost"
    )
    is_first = ~events.duplicated("workflow_id")
    other = events.assign(team_id=events["team_id"].where(is_first, "x"), activity="other")
    pd.testing.assert_frame_equal(openings(changed, other), openings(workflows, events))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(TrainingError, match="lack the columns attributes"):
        openings(make_workflows(2).drop(columns="attributes"))


def test_one_workflow_has_the_row_it_has_among_all() -> None:
    workflows = make_workflows(40).assign(opening_team_id="desk")
    workflows["client_id"] = workflows["client_id"].where(workflows.index % 3 > 0, None)
    moments = workflows["opened_at"].dt.tz_convert("Asia/Kolkata")
    given = [
        {**row, "opened_at": moment.to_pydatetime()}
        for row, moment in zip(workflows.to_dict("records"), moments, strict=True)
    ]
    found, expected = pd.DataFrame(map(opening_row, given)), openings(workflows)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
