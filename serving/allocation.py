"""Spread open tasks over people: durations from the model, the plan from the policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipelines.contracts import Model
from pipelines.errors import AllocationError
from pipelines.learning.allocation import OpenTask, plan_allocation
from serving.advice import Advice
from serving.allocation_schemas import (
    Allocation,
    AllocationQuestion,
    Assignment,
    Totals,
    Unmet,
)
from serving.asked import Started, output_of
from serving.plan_durations import Durations, plan_durations
from serving.problems import InvalidRequestError, ProblemError
from serving.schemas import Problem, WorkflowProblem
from serving.to_plan import ToPlan, to_plan
from serving.together import Outcome, only
from serving.traffic import Choice, Variant

if TYPE_CHECKING:
    from serving.runtime import Runtime

_SEVERAL: Final = "(several)"
_FEW_PAIRS: Final = 50  # take some milliseconds


@dataclass(frozen=True)
class AboutPlan:
    """A request for one plan."""

    question: AllocationQuestion
    started: Started = field(default_factory=Started)

    @property
    def is_short(self) -> bool:
        """Whether the plan is made soon: others may wait for it."""
        return len(self.question.tasks) * len(self.question.people) <= _FEW_PAIRS


def plan(runtime: "Runtime", asked: AboutPlan) -> bytes:
    """Answer one request, who does which task when; return the JSON of an Allocation.

    Raises:
        ProblemError: it cannot be planned; one class for each reason.
    """
    return only(plans(runtime, [asked]))


def plans(runtime: "Runtime", asked: Sequence[AboutPlan]) -> list[Outcome]:
    """Answer some requests, who does which task when, at once; each has a plan of its own.

    Returns:
        The JSON of each Allocation, or why there is none.

    Raises:
        ProblemError: none of them can be answered: no model, no features, no database.
    """
    # One plan for tasks of several workflows: no share of it can be the challenger's.
    champion = Choice(runtime.watch.champion(Model.TASK_DURATION), Variant.CHAMPION, 1.0)
    each = Advice.each(runtime, Model.TASK_DURATION, champion, [one.started for one in asked])
    found = to_plan(runtime, [one.question for one in asked], each[0].as_of)
    known = {i: one for i, one in enumerate(found) if isinstance(one, ToPlan)}
    said: dict[int, Allocation | ProblemError] = {
        i: one for i, one in enumerate(found) if isinstance(one, ProblemError)
    }
    durations = plan_durations(each[0], list(known.values()))
    for (i, one), of_plan in zip(known.items(), durations, strict=True):
        each[i].degrade(one.degraded_because)
        each[i].degrade(of_plan.degraded_because)
        try:
            said[i] = _plan(each[i], one, of_plan)
        except AllocationError as err:
            said[i] = InvalidRequestError(str(err))
    answers = [said[i] for i in range(len(asked))]
    # Not before all are there: where one breaks, each is asked about again alone.
    for advice, about, answer in zip(each, asked, answers, strict=True):
        if isinstance(answer, Allocation):
            inputs = about.question.model_dump(mode="json")
            advice.log(vars(answer), inputs=inputs, features={}, output=output_of(answer))
    return [
        answer if isinstance(answer, ProblemError) else answer.model_dump_json().encode()
        for answer in answers
    ]


def _plan(advice: Advice, asked: ToPlan, durations: Durations) -> Allocation:
    """Plan what one request asks about.

    Raises:
        AllocationError: the question contradicts itself.
    """
    question, tasks = asked.question, asked.tasks
    open_tasks = [
        OpenTask(
            task_id=one.task_id,
            workflow_id=tasks[one.task_id].workflow_id,
            activity=tasks[one.task_id].activity,
            required_skills=asked.skills[one.task_id]
            if one.required_skills is None
            else frozenset(one.required_skills),
            due_at=one.due_at or tasks[one.task_id].due_at or durations.due_at[one.task_id],
            priority=one.priority,
            predecessors=one.predecessors,
            team_id=tasks[one.task_id].team_id if question.keep_teams else None,
            excluded_person_ids=frozenset(one.excluded_person_ids),
        )
        for one in question.tasks
        if one.task_id in tasks
    ]
    planned = plan_allocation(
        open_tasks,
        asked.available,
        durations.estimates,
        advice.as_of,
        alternative_count=question.alternative_count,
    )
    return Allocation(
        **advice.said(_SEVERAL, durations.known_at),
        assignments=[Assignment.model_validate(one) for one in planned.assignments],
        unmet=[Unmet.model_validate(one) for one in planned.unmet],
        totals=Totals.model_validate(planned.totals),
        problems=[
            WorkflowProblem(
                workflow_id=str(fault.members.get("workflow_id", "")),
                problem=Problem(**fault.content()),
            )
            for fault in asked.faults
        ],
    )
