"""Who should do a task: ranked people, with how long each of them would take."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.contracts import Alias, Model
from pipelines.learning.assignee.state import AssigneeState
from pipelines.learning.assignee.state import Recommendation as Ranked
from serving import metrics
from serving.advice import Advice
from serving.advise import advise_about_each, advise_what_if
from serving.again import Asking, again_or_anew
from serving.asked import Started, output_of
from serving.best_people import best_people
from serving.cache import Subject
from serving.people_times import Times, people_times
from serving.problems import ProblemError
from serving.task_schemas import (
    AssigneeOfStep,
    AssigneeOfTask,
    Candidate,
    Recommendation,
)
from serving.to_give import ToGive, to_give
from serving.together import Outcome
from serving.traffic import Choice

if TYPE_CHECKING:
    from serving.runtime import Runtime


@dataclass(frozen=True)
class AboutPeople:
    """A request that asks who should do one task."""

    question: AssigneeOfTask | AssigneeOfStep
    started: Started = field(default_factory=Started)


@dataclass(frozen=True)
class _Asked:
    """One while it is answered: the task to give, and what is known of who did what, up to when."""

    about: AboutPeople
    task: ToGive
    state: AssigneeState
    read_to: datetime


def assignees(runtime: "Runtime", asked: Sequence[AboutPeople]) -> list[Outcome]:
    """Answer some requests, who should do one task, at once.

    Returns:
        The JSON of each Recommendation, or why there is none.

    Raises:
        ProblemError: none of them can be answered: no model, no history, no database.
    """
    found = _found(runtime, asked)
    known = {i: one for i, one in enumerate(found) if isinstance(one, _Asked)}
    durations = runtime.watch.loaded(Model.TASK_DURATION, Alias.CHAMPION)
    version = durations.version if durations else None

    def anew(_: Choice, positions: Sequence[int]) -> list[Recommendation | ProblemError]:
        new = [known[position] for position in positions]

        def say(
            each: Sequence[Advice], places: Sequence[int]
        ) -> list[Recommendation | ProblemError]:
            return _recommended(runtime, each, [new[place] for place in places])

        ids, starts = [one.task.workflow_id for one in new], [one.about.started for one in new]
        return advise_about_each(runtime, Model.ASSIGNEE, ids, say, starts)

    askings = [one if isinstance(one, ProblemError) else _asking(one, version) for one in found]
    return again_or_anew(runtime, Model.ASSIGNEE, askings, anew)


def assignees_if(runtime: "Runtime", asked: AboutPeople) -> bytes:
    """Answer who should do one task if people were others; return the JSON of a Recommendation.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    (one,) = _found(runtime, [asked])
    if isinstance(one, ProblemError):
        raise one

    def would(advice: Advice) -> Recommendation:
        (answer,) = _recommended(runtime, [advice], [one])
        if isinstance(answer, ProblemError):
            raise answer
        return answer

    workflow_id = one.task.workflow_id
    answer = advise_what_if(runtime, Model.ASSIGNEE, workflow_id, would, asked.started)
    return answer.model_dump_json().encode()


def _found(runtime: "Runtime", asked: Sequence[AboutPeople]) -> list[_Asked | ProblemError]:
    state, read_to = runtime.staff.state()
    found = to_give(runtime, state, [about.question for about in asked])
    return [
        one if isinstance(one, ProblemError) else _Asked(about, one, state, read_to)
        for about, one in zip(asked, found, strict=True)
    ]


def _asking(asked: _Asked, durations_version: str | None) -> Asking:
    question, task = asked.about.question, asked.task
    about = Subject.of(task.workflow_id, question, task, asked.read_to, durations_version)
    return Asking(about, asked.about.started, _inputs(question), task.task_id)


def _recommended(
    runtime: "Runtime", each: Sequence[Advice], asked: Sequence[_Asked]
) -> list[Recommendation | ProblemError]:
    """Say who should do some tasks, each in an advice of its own, and log it; or why nobody can."""
    for advice, one in zip(each, asked, strict=True):
        advice.degrade(one.task.degraded_because)
        if one.read_to < advice.as_of:
            advice.degrade(
                f"who did what is known up to {one.read_to.isoformat()}: newer history is being "
                "read"
            )
    # Meanwhile newer history may have been read: nothing is answered about a time before it.
    as_of = max(each[0].as_of, runtime.staff.state()[1])
    ranker, state = each[0].choice.loaded.predictor, asked[0].state  # what they have in common
    with metrics.INFERENCE_SECONDS.labels(Model.ASSIGNEE.value).time():
        found = best_people(ranker, state, [(one.task, one.about.question) for one in asked], as_of)
    people = {i: one for i, one in enumerate(found) if not isinstance(one, ProblemError)}
    times = people_times(
        runtime,
        [each[i] for i in people],
        [asked[i].task for i in people],
        [[one.person_id for one in of_task] for of_task in people.values()],
    )
    answers = {
        i: _answer(each[i], asked[i], people[i], of_task)
        for i, of_task in zip(people, times, strict=True)
    }
    # Not before all are there: what a version that fails would have said was never answered.
    for i, answer in answers.items():
        each[i].log(
            vars(answer),
            inputs=_inputs(asked[i].about.question),
            features={},
            output=output_of(answer),
            task_id=answer.task_id,
        )
    return [one if isinstance(one, ProblemError) else answers[i] for i, one in enumerate(found)]


def _answer(
    advice: Advice, asked: _Asked, people: Sequence[Ranked], times: Times
) -> Recommendation:
    question, task, state = asked.about.question, asked.task, asked.state
    return Recommendation(
        **advice.said(task.workflow_id, min(asked.read_to, advice.as_of)),
        task_id=task.task_id,
        activity=task.activity,
        due_at=times.due_at,
        candidates=[
            Candidate(
                rank=rank,
                person_id=one.person_id,
                score=one.score,
                probability=one.probability,
                is_known=one.is_known,
                held_task_count=one.held_task_count,
                held_workflow_count=one.held_workflow_count,
                sojourn_time=time.sojourn,
                on_time_probability=time.on_time_probability,
                reasons=list(one.reasons),
            )
            for rank, (one, time) in enumerate(zip(people, times.each, strict=True), start=1)
        ],
        is_what_if=bool(question.overrides),
        overrides=question.overrides or {},
        candidate_count=len(question.person_ids or state.people),
        unknown=[] if task.activity in state.activities else [f"activity {task.activity!r}"],
    )


def _inputs(question: AssigneeOfTask | AssigneeOfStep) -> dict[str, Any]:
    """Return what the log has of a question."""
    return question.model_dump(mode="json", exclude=None if question.overrides else {"overrides"})
