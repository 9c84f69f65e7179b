"""Who should do a task: ranked people, with how long each of them would take."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.contracts import Alias, Model
from pipelines.learning.assignee.state import AssigneeState
from pipelines.learning.assignee.state import Recommendation as Ranked
from pipelines.learning.task_duration.durations import on_time_probability
from pipelines.learning.task_duration.spans import Span as SpanKind
from pipelines.store.task_rows import TaskQuestion
from serving import metrics
from serving.advice import Advice
from serving.advise import advise_again, advise_what_if
from serving.again import Asking
from serving.asked import Started, output_of
from serving.cache import Subject
from serving.people_overrides import require_sound
from serving.problems import (
    NoCandidateError,
    NoChampionError,
    ProblemError,
    UnknownActivityError,
    UnknownWorkflowError,
)
from serving.spans import predicted, spans_of
from serving.task_durations import require_open
from serving.task_schemas import (
    AssigneeOfStep,
    AssigneeOfTask,
    Candidate,
    Limits,
    Recommendation,
    Span,
)

if TYPE_CHECKING:
    from serving.runtime import Runtime

_DUE_AT = "workflow_progress__due_at"


@dataclass(frozen=True)
class _Asked:
    """The task to give: of a workflow, an activity, a team, by when, and to whom it may go."""

    workflow_id: str
    activity: str
    team_id: str | None
    person_ids: Sequence[str] | None  # None: to anybody
    task_id: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class _Time:
    """What the model of task durations says of one person."""

    sojourn: Span | None = None
    on_time_probability: float | None = None


def recommend_assignees(runtime: "Runtime", question: AssigneeOfTask | AssigneeOfStep) -> bytes:
    """Rank who should do a task; return the JSON of a Recommendation.

    Raises:
        ProblemError: it cannot be answered; one class for each reason.
    """
    started = Started()
    state, read_to = runtime.staff.state()
    asked = _asked(runtime, state, question)
    durations = runtime.watch.loaded(Model.TASK_DURATION, Alias.CHAMPION)
    rests_on = asked, read_to, durations and durations.version

    def say(advice: Advice) -> Recommendation:
        return _recommended(runtime, advice, (state, read_to), asked, question)

    if question.overrides:
        answer = advise_what_if(runtime, Model.ASSIGNEE, asked.workflow_id, say, started)
        return answer.model_dump_json().encode()
    about = Subject.of(asked.workflow_id, question, *rests_on)
    asking = Asking(about, started, _inputs(question), asked.task_id)
    return advise_again(runtime, Model.ASSIGNEE, asking, say)


def _inputs(question: AssigneeOfTask | AssigneeOfStep) -> dict[str, Any]:
    """Return what the log has of a question."""
    return question.model_dump(mode="json", exclude=None if question.overrides else {"overrides"})


def _recommended(
    runtime: "Runtime",
    advice: Advice,
    staff: tuple[AssigneeState, datetime],
    asked: _Asked,
    question: AssigneeOfTask | AssigneeOfStep,
) -> Recommendation:
    state, read_to = staff
    if read_to < advice.as_of:
        advice.degraded_because.append(
            f"who did what is known up to {read_to.isoformat()}: newer history is being read"
        )
    with metrics.INFERENCE_SECONDS.labels(Model.ASSIGNEE.value).time():
        ranked = _ranked(runtime, advice, state, asked, question)
    times, due_at = _times(runtime, advice, asked, [one.person_id for one in ranked])
    said = advice.said(asked.workflow_id, min(read_to, advice.as_of))
    answer = Recommendation(
        **said,
        task_id=asked.task_id,
        activity=asked.activity,
        due_at=due_at,
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
            for rank, (one, time) in enumerate(zip(ranked, times, strict=True), start=1)
        ],
        is_what_if=bool(question.overrides),
        overrides=question.overrides or {},
        candidate_count=len(question.person_ids or state.people),
        unknown=[] if asked.activity in state.activities else [f"activity {asked.activity!r}"],
    )
    advice.log(
        said,
        inputs=_inputs(question),
        features={},
        output=output_of(answer),
        task_id=asked.task_id,
    )
    return answer


def _asked(
    runtime: "Runtime", state: AssigneeState, question: AssigneeOfTask | AssigneeOfStep
) -> _Asked:
    people = _people(runtime, question)
    if isinstance(question, AssigneeOfTask):
        found = runtime.history.tasks([question.task_id]).get(question.task_id)
        task = require_open(question.task_id, found, runtime.clock.read().as_of)
        of = task.workflow_id, task.activity, task.team_id
        return _Asked(*of, people, task.task_id, task.due_at)
    if question.workflow_id not in state.workflows:
        raise UnknownWorkflowError(
            f"Workflow {question.workflow_id!r} is unknown: no event of it is known. Check the id.",
            workflow_id=question.workflow_id,
        )
    if question.activity not in state.activities:
        raise UnknownActivityError(
            f"activity: nobody ever did {question.activity!r}; there are "
            f"{', '.join(sorted(state.activities)[:20])}, and perhaps more.",
            activity=question.activity,
        )
    return _Asked(question.workflow_id, question.activity, question.team_id, people)


def _people(runtime: "Runtime", limits: Limits) -> Sequence[str] | None:
    """Return who was asked about and has the skills; None: everybody."""
    people = None if limits.person_ids is None else list(dict.fromkeys(limits.person_ids))
    if not limits.required_skills:
        return people
    skilled = runtime.history.skilled(limits.required_skills)
    return sorted(skilled) if people is None else [one for one in people if one in skilled]


def _ranked(
    runtime: "Runtime", advice: Advice, state: AssigneeState, asked: _Asked, limits: Limits
) -> Sequence[Ranked]:
    ranker = advice.choice.loaded.predictor
    people = state.people if asked.person_ids is None else asked.person_ids
    if limits.overrides:
        out = frozenset(limits.excluded_person_ids)
        may = [one for one in people if one not in out]
        require_sound(limits.overrides, may, ranker.names)
    ranked = state.standings(
        ranker,
        asked.workflow_id,
        asked.activity,
        max(advice.as_of, runtime.staff.state()[1]),
        team_id=asked.team_id,
        person_ids=asked.person_ids,
        excluded=limits.excluded_person_ids,
        load_strength=limits.load_strength,
        overrides=limits.overrides,
    )
    most = limits.max_held_task_count
    held = ranked.held_task_counts
    free = [place for place in range(len(ranked)) if most is None or held[place] < most]
    if not free:
        raise NoCandidateError(
            f"Nobody is left of {len(people)} people "
            "with required_skills, without excluded_person_ids and below max_held_task_count: "
            "loosen one of them.",
            candidate_count=len(ranked),
        )
    return state.explained(ranker, ranked, free[: limits.count])


def _times(
    runtime: "Runtime", advice: Advice, asked: _Asked, people: Sequence[str]
) -> tuple[list[_Time], datetime | None]:
    """Say how long each person would take; without a model or features, nothing."""
    nothing = [_Time() for _ in people], asked.due_at
    try:
        durations = runtime.watch.champion(Model.TASK_DURATION).predictor
        rows = runtime.task_features.read(
            [TaskQuestion(asked.workflow_id, asked.activity, one, asked.team_id) for one in people],
            advice.as_of,
        )
    except NoChampionError:
        return nothing
    except ProblemError as err:
        advice.degraded_because.append(f"without durations: {err.detail}")
        return nothing
    due_at: Any = asked.due_at or rows.columns[_DUE_AT][0]
    if SpanKind.SOJOURN not in durations.models:
        return [_Time() for _ in people], due_at
    sojourns = predicted(durations.models[SpanKind.SOJOURN], rows)
    left_s = np.nan if due_at is None else (due_at - advice.as_of).total_seconds()
    chances = on_time_probability(sojourns, SpanKind.SOJOURN, np.full(len(people), left_s))
    spans = spans_of(sojourns)
    return [
        _Time(span[SpanKind.SOJOURN], None if np.isnan(chance) else float(chance))
        for span, chance in zip(spans, chances, strict=True)
    ], due_at
