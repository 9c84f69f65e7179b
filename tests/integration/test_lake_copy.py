"""The copy from the lake gives what the online store gives."""

from datetime import timedelta
from typing import Any

import pytest

from pipelines.contracts import EVENT_TIMESTAMP, WORKFLOW_MODELS, FeatureView, Model
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.lake_copy import LakeCopy, read_lake_copy
from pipelines.store.materialize import materialize
from pipelines.store.online import OnlineReader
from pipelines.store.task_rows import TaskQuestion, task_rows
from tests.store.lake_of_features import ACTIVITIES, PEOPLE, WATERMARK, write_lake

pytestmark = pytest.mark.integration

SPECS = list(VIEWS.values())


@pytest.fixture
def workflows(settings: Settings) -> list[str]:
    ids = write_lake(settings.lake, 120)
    materialize(settings, None, WATERMARK)
    return ids


def copy_of(settings: Settings, max_rows: int = 10_000) -> LakeCopy:
    return read_lake_copy(settings.lake, SPECS, WATERMARK, max_rows)


@pytest.mark.parametrize("service", WORKFLOW_MODELS)
def test_rows_are_those_of_the_online_store(
    settings: Settings, workflows: list[str], service: Model
) -> None:
    reader = OnlineReader(settings)
    asked = [*workflows, "nobody", workflows[0]]
    online = reader.read(asked, service.value, WATERMARK)
    copied = copy_of(settings).read(reader.plans[service.value], asked)

    assert copied.types == online.types
    running = 0
    for mine, theirs in zip(copied.rows(), online.rows(), strict=True):
        if theirs["is_closed"]:  # of these only that they are closed is kept
            names = ("workflow_id", "is_known", "is_closed", "closed_at")
            assert [mine[n] for n in names] == [theirs[n] for n in names]
        else:
            assert mine == theirs
            running += theirs["features_known_at"] is not None
    assert running > 20


def test_rows_of_tasks_are_those_of_the_online_store(
    settings: Settings, workflows: list[str]
) -> None:
    reader, copy = OnlineReader(settings), copy_of(settings)
    running = [
        row["workflow_id"]
        for row in reader.read(workflows, Model.REMAINING_TIME.value, WATERMARK).rows()
        if row["features_known_at"] is not None and not row["is_closed"]
    ]
    questions = [
        TaskQuestion(workflow_id, activity, person_id, team_id)
        for workflow_id, activity, person_id, team_id in zip(
            [*running, "no workflow"],
            [*ACTIVITIES, "an activity nobody did"] * len(running),
            [*PEOPLE, None, "a newcomer"] * len(running),
            [None, "team-0", "no team"] * len(running),
            strict=False,
        )
    ]
    online, copied = (task_rows(of, questions, WATERMARK) for of in (reader, copy))
    assert copied.types == online.types
    assert copied.rows() == online.rows()
    assert (
        sum(value is not None for value in copied.columns["person_workload__open_task_count"]) > 5
    )


def test_a_bounded_copy_keeps_the_youngest_and_says_so(
    settings: Settings, workflows: list[str]
) -> None:
    whole, part = copy_of(settings), copy_of(settings, 10)
    progress = FeatureView.WORKFLOW_PROGRESS

    def events(copy: LakeCopy) -> list[Any]:
        return sorted(copy.views[progress].rows.column(EVENT_TIMESTAMP).to_pylist())

    assert events(part) == events(whole)[-10:]
    assert (whole.is_whole, part.is_whole) == (True, False)


def test_a_lake_without_features_gives_nobody(settings: Settings) -> None:
    reader = OnlineReader(settings)
    copy = read_lake_copy(settings.lake, SPECS, WATERMARK - timedelta(days=9_999), 10)
    (row,) = copy.read(reader.plans["remaining_time"], ["nobody"]).rows()
    assert (row["is_known"], row["features_known_at"]) == (False, None)
