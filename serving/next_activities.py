"""What may follow in running workflows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.contracts import Model
from pipelines.learning.next_activity.prefixes import END
from pipelines.learning.next_activity.rows import known_at, task_sequence_of
from serving import metrics
from serving.advice import Advice
from serving.advise import advise_about_each
from serving.asked import Row, Started
from serving.history import nothing_in_copy
from serving.problems import ClosedWorkflowError, ProblemError, UnknownWorkflowError
from serving.template_schemas import NextActivities, NextActivity, RunningWorkflow
from serving.together import Outcome

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class AboutRunning:
    """A request that asks what follows in one workflow."""

    question: RunningWorkflow
    started: Started = field(default_factory=Started)


@dataclass(frozen=True)
class _Running:
    """A request while it is answered: the tasks of its workflow, and when the latest was known."""

    asked: AboutRunning
    tasks: list[dict[str, Any]]
    known_at: datetime
    degraded_because: str | None


def next_activities(runtime: "Runtime", asked: Sequence[AboutRunning]) -> list[Outcome]:
    """Answer some requests, which activities may follow in one workflow, at once.

    Returns:
        The JSON of each NextActivities, or why there is none.

    Raises:
        ProblemError: none of them can be answered: no model, no clock, no database.
    """
    found = _look(runtime, asked)
    running = [one for one in found if isinstance(one, _Running)]

    def say(each: Sequence[Advice], positions: Sequence[int]) -> list[NextActivities]:
        return _say(each, [running[position] for position in positions])

    ids = [one.asked.question.workflow_id for one in running]
    starts = [one.asked.started for one in running]
    said = advise_about_each(runtime, Model.NEXT_ACTIVITY, ids, say, starts) if ids else []
    bodies = (answer.model_dump_json().encode() for answer in said)
    return [next(bodies) if isinstance(one, _Running) else one for one in found]


def _look(runtime: "Runtime", asked: Sequence[AboutRunning]) -> list[_Running | ProblemError]:
    """Look workflows up; of one in which nothing can follow, return why."""
    runtime.watch.champion(Model.NEXT_ACTIVITY)  # without one nothing need be read
    as_of = runtime.clock.read().as_of
    ids = list(dict.fromkeys(one.question.workflow_id for one in asked))
    read = runtime.history.read(lambda history: history.events(ids, as_of))
    because = read.degraded_because
    found: list[_Running | ProblemError] = []
    for one in asked:
        of_it = read.found.get(one.question.workflow_id, [])
        fault = _fault_of(one.question.workflow_id, of_it, as_of, because)
        if fault is None:
            latest = max(map(known_at, of_it))
            found.append(_Running(one, task_sequence_of(of_it), latest, because))
        else:
            found.append(fault)
    return found


def _fault_of(
    workflow_id: str, events: Sequence[Row], as_of: datetime, because: str | None
) -> ProblemError | None:
    if not events and because is not None:
        return nothing_in_copy(f"Workflow {workflow_id!r}", because)
    if not events:
        return UnknownWorkflowError(
            f"Workflow {workflow_id!r} is unknown: no event of it had been recorded by "
            f"{as_of.isoformat()}. Check the id.",
            workflow_id=workflow_id,
        )
    closure = events[0]["closure_recorded_at"]
    if closure is not None and closure < as_of:
        return ClosedWorkflowError(
            f"Workflow {workflow_id!r} has been closed: nothing follows.", workflow_id=workflow_id
        )
    return None


def _say(each: Sequence[Advice], running: Sequence[_Running]) -> list[NextActivities]:
    """Answer about workflows, in their order, each as the advice of one version; and log it."""
    for advice, one in zip(each, running, strict=True):
        advice.degrade(one.degraded_because)
    predictor = each[0].choice.loaded.predictor
    most = max(one.asked.question.count for one in running)
    with metrics.INFERENCE_SECONDS.labels(Model.NEXT_ACTIVITY.value).time():
        found = predictor.predict_workflows([one.tasks for one in running], most)
    answers = [_answer(*of) for of in zip(each, running, found, strict=True)]
    # Not before all are there: what a version that fails would have said was never answered.
    for advice, one, answer in zip(each, running, answers, strict=True):
        advice.log(
            vars(answer),
            inputs=one.asked.question.model_dump(mode="json"),
            features={"activities": [task["activity"] for task in one.tasks]},
            output={"next_activities": [row.model_dump() for row in answer.next_activities]},
        )
    return answers


def _answer(advice: Advice, one: _Running, likeliest: Sequence[Row]) -> NextActivities:
    return NextActivities(
        **advice.said(one.asked.question.workflow_id, one.known_at),
        last_activity=one.tasks[-1]["activity"],
        next_activities=[
            NextActivity(
                rank=row["rank"],
                activity=None if row["activity"] == END else row["activity"],
                is_end=row["activity"] == END,
                probability=row["probability"],
            )
            for row in likeliest[: one.asked.question.count]
        ],
    )
