"""The takings of a history in codes, and the order in which they are learned and asked about."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipelines.learning.assignee.coded_log import (
    CodedLog,
    Ints,
    Mask,
    Values,
    code_log,
    seconds,
)
from pipelines.learning.assignee.ledger import Ledger
from pipelines.learning.assignee.question import TaskAsked
from pipelines.learning.assignee.tasks import Leaving, Tasks
from pipelines.learning.columns import require_columns

TAKING_COLUMNS = (
    "task_team_id",
    "asked_at",
    "left_at",
    "asked_place",
    "place",
    "left_place",
    "took_s",
)


class Step(IntEnum):
    """What happens to a task; of the same place in the history the lower number comes first."""

    TAKE = 0
    LEAVE = 1
    ASK = 2


class Asked(NamedTuple):
    """A task to be asked about: the number of its row, and what is known of it."""

    row: int
    task: TaskAsked
    ledger: Ledger


@dataclass(frozen=True)
class TaskLog:
    """Tasks in the order of taking, in codes, and the steps of all of them in order of place."""

    log: CodedLog
    asked: list[TaskAsked] = field(repr=False)
    asked_s: Values = field(repr=False)
    taken_s: Values = field(repr=False)
    leavings: list[Leaving] = field(repr=False)
    steps: list[tuple[Step, int]] = field(repr=False)  # what happens, and to which row

    @property
    def person(self) -> Ints:
        """Who took each task."""
        return self.log.person

    def replay(self, is_asked: Mask) -> Iterator[Asked]:
        """Learn step by step, and yield the ledger whenever a task is asked about.

        Nothing that comes later is in it, in particular not who took the task. Before anybody
        took anything nobody can be ranked, and nothing is asked.
        """
        ledger = Ledger(Tasks())
        is_anybody_met = False
        for step, row in self.steps:
            if step is Step.TAKE:
                ledger.learn(self.log.events[row])
                is_anybody_met = True
            elif step is Step.LEAVE:
                ledger.leave(self.leavings[row])
            elif is_asked[row] and is_anybody_met:
                yield Asked(row, self.asked[row], ledger)


def code_tasks(takings: pd.DataFrame) -> TaskLog:
    """Code the rows of `task_takings`, in their order.

    Raises:
        TrainingError: a column is missing, or a value that every taking has.
    """
    require_columns(takings, TAKING_COLUMNS, "takings")
    frame = takings.sort_values("place", ignore_index=True)
    log = code_log(frame)
    teams = pd.Index(pd.factorize(frame["team_id"])[1])
    task_team = teams.get_indexer(pd.Index(frame["task_team_id"]))
    asked_s, taken_s, left_s = (seconds(frame[name]) for name in ("asked_at", "as_of", "left_at"))
    events = log.events
    asked = [
        TaskAsked(one.workflow, one.activity, team, one.context, now_s)
        for one, team, now_s in zip(events, task_team.tolist(), asked_s.tolist(), strict=True)
    ]
    leavings = [
        Leaving(row, one.person, one.activity, time_s, took_s, one.due_s)
        for row, (one, time_s, took_s) in enumerate(
            zip(events, left_s.tolist(), frame["took_s"].tolist(), strict=True)
        )
    ]
    return TaskLog(log, asked, asked_s, taken_s, leavings, _steps(frame))


def _steps(frame: pd.DataFrame) -> list[tuple[Step, int]]:
    places = {Step.TAKE: "place", Step.LEAVE: "left_place", Step.ASK: "asked_place"}
    parts = []
    for step, name in places.items():
        place = frame[name].to_numpy(dtype=np.int64)
        row = np.arange(len(frame))
        is_there = (place >= 0) | (step is not Step.LEAVE)
        parts.append(np.stack([place, np.full(len(frame), step), row])[:, is_there])
    place, step_number, row = np.concatenate(parts, axis=1)
    order = np.lexsort([row, step_number, place])
    return [
        (Step(one), number)
        for one, number in zip(step_number[order].tolist(), row[order].tolist(), strict=True)
    ]
