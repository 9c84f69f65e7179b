"""Spread open tasks over people: durations from the model, the plan from the policy."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.contracts import Model
from pipelines.errors import AllocationError
from pipelines.learning.allocation import AvailablePerson, Estimates, OpenTask, plan_allocation
from pipelines.learning.allocation.working_time import working_time
from pipelines.learning.encode import FEW_ROWS
from pipelines.learning.task_duration.durations import (
    SPREAD_INTERVAL,
    TaskDurations,
    spread_ratio,
)
from pipelines.learning.task_duration.fit import TaskDurationModel
from pipelines.learning.task_duration.spans import Span
from pipelines.store.online_rows import ServiceRows
from pipelines.store.task_rows import TaskQuestion
from serving import metrics
from serving.advice import Advice
from serving.allocation_schemas import (
    Allocation,
    AllocationQuestion,
    Assignment,
    Totals,
    Unmet,
)
from serving.asked import Started
from serving.people import Period, Person
from serving.problems import InvalidRequestError, ProblemError, UnknownPersonError
from serving.schemas import Problem, WorkflowProblem
from serving.spans import columns_of
from serving.task_durations import require_open
from serving.tasks import Task
from serving.traffic import Choice, Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

_SEVERAL: Final = "(several)"
_LEAST_S: Final = 60.0
_SPREAD_ROWS: Final = 200  # enough to say how sure the model is

Values = npt.NDArray[np.float64]


def recommend_allocation(runtime: "Runtime", question: AllocationQuestion) -> Allocation:
    """Plan who does which task when.

    Raises:
        ProblemError: it cannot be planned; one class for each reason.
    """
    # One plan for tasks of several workflows: no share of it can be the challenger's.
    champion = Choice(runtime.watch.champion(Model.TASK_DURATION), Variant.CHAMPION, 1.0)
    advice = Advice.by(runtime, Model.TASK_DURATION, champion, Started())
    as_of = advice.as_of
    tasks, skills, faults = _tasks(runtime, question, as_of)
    if not tasks:
        raise next(iter(faults.values()))
    staff = _people(runtime, question)
    working = [
        one.working or staff[one.person_id].periods(as_of, question.horizon_days)
        for one in question.people
    ]
    elapsed_s, spread, due_at, known_at = _durations(advice, tasks, list(staff.values()))
    open_tasks = [
        OpenTask(
            task_id=one.task_id,
            workflow_id=tasks[one.task_id].workflow_id,
            activity=tasks[one.task_id].activity,
            required_skills=skills[one.task_id]
            if one.required_skills is None
            else frozenset(one.required_skills),
            due_at=one.due_at or tasks[one.task_id].due_at or due_at[one.task_id],
            priority=one.priority,
            predecessors=one.predecessors,
            team_id=tasks[one.task_id].team_id if question.keep_teams else None,
            excluded_person_ids=frozenset(one.excluded_person_ids),
        )
        for one in question.tasks
        if one.task_id in tasks
    ]
    people = [
        AvailablePerson(
            person_id=one.person_id,
            working=periods,
            skills=frozenset(staff[one.person_id].skills),
            team_id=staff[one.person_id].team_id,
            busy_until=one.busy_until,
            max_tasks=one.max_tasks,
            max_hours=one.max_hours,
        )
        for one, periods in zip(question.people, working, strict=True)
    ]
    try:
        plan = plan_allocation(
            open_tasks,
            people,
            Estimates(_working_hours(elapsed_s, working, as_of), spread),
            as_of,
            alternative_count=question.alternative_count,
        )
    except AllocationError as err:
        raise InvalidRequestError(str(err)) from err
    said = advice.said(_SEVERAL, known_at)
    answer = Allocation(
        **said,
        assignments=[Assignment.model_validate(one) for one in plan.assignments],
        unmet=[Unmet.model_validate(one) for one in plan.unmet],
        totals=Totals.model_validate(plan.totals),
        problems=[
            WorkflowProblem(
                workflow_id=str(fault.members.get("workflow_id", "")),
                problem=Problem(**fault.content()),
            )
            for fault in faults.values()
        ],
    )
    advice.log(
        said,
        inputs=question.model_dump(mode="json"),
        features={},
        output=answer.model_dump(mode="json", exclude=set(said)),
    )
    return answer


def _tasks(
    runtime: "Runtime", question: AllocationQuestion, as_of: datetime
) -> tuple[dict[str, Task], dict[str, frozenset[str]], dict[str, ProblemError]]:
    ids = [task.task_id for task in question.tasks]
    found, skills = runtime.history.with_skills(ids)
    tasks: dict[str, Task] = {}
    faults: dict[str, ProblemError] = {}
    for task_id in ids:
        try:
            tasks[task_id] = require_open(task_id, found.get(task_id), as_of)
        except ProblemError as fault:
            faults[task_id] = fault
    return tasks, skills, faults


def _people(runtime: "Runtime", question: AllocationQuestion) -> dict[str, Person]:
    ids = [person.person_id for person in question.people]
    found = runtime.history.people(ids)
    unknown = [one for one in ids if one not in found]
    if unknown:
        raise UnknownPersonError(
            f"people: the source has nobody called {', '.join(map(repr, unknown[:10]))}. Check "
            "the ids.",
            person_ids=unknown,
        )
    return {one: found[one] for one in ids}


def _durations(
    advice: Advice, tasks: Mapping[str, Task], people: Sequence[Person]
) -> tuple[Values, float, dict[str, datetime | None], datetime]:
    """Return seconds from start to end of each task by each person, and how sure they are.

    And by task when its workflow is due, and when the youngest of all that became known.
    """
    durations: TaskDurations = advice.choice.loaded.predictor
    rows = advice.runtime.task_features.read(
        [
            TaskQuestion(task.workflow_id, task.activity, person.person_id, task.team_id)
            for task in tasks.values()
            for person in people
        ],
        advice.as_of,
    )
    span = Span.SERVICE if Span.SERVICE in durations.models else list(durations.models)[-1]
    with metrics.INFERENCE_SECONDS.labels(Model.TASK_DURATION.value).time():
        elapsed_s, spread = _medians_s(durations.models[span], rows)
    every = slice(None, None, len(people))
    due = rows.columns["workflow_progress__due_at"][every]
    known = [at for at in rows.columns["features_known_at"][every] if at is not None]
    return (
        elapsed_s.reshape(len(tasks), len(people)),
        spread,
        dict(zip(tasks, due, strict=True)),
        max(known, default=advice.as_of),
    )


def _medians_s(model: TaskDurationModel, rows: ServiceRows) -> tuple[Values, float]:
    """Return the medians in seconds, and how sure they are, which some of many rows tell."""
    count = len(rows.columns["workflow_id"])
    if count <= FEW_ROWS:
        answers = model.predict_rows(rows.rows(), intervals=[SPREAD_INTERVAL])
        return answers[model.span.value], spread_ratio(answers, model.span)
    some = rows.frame.iloc[:: max(1, count // _SPREAD_ROWS)]
    return model.medians_s(rows.frame), spread_ratio(columns_of(model.predict(some)), model.span)


def _working_hours(
    elapsed_s: Values, working: Sequence[tuple[Period, ...]], as_of: datetime
) -> Values:
    """Turn time that goes by into time that is worked, if a task began with the next hours.

    The history tells when a task was started and completed, nights in between included; the
    plan counts working time only.
    """
    hours = np.full(elapsed_s.shape, np.inf)
    for column, periods in enumerate(working):
        calendar = working_time(periods, as_of, None)
        if calendar.total == 0:
            continue
        begin = calendar.begin_of(0.0)
        worked = [calendar.work_until(begin + elapsed) for elapsed in elapsed_s[:, column]]
        hours[:, column] = np.maximum(worked, _LEAST_S) / 3_600
    return hours
