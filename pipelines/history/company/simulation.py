"""The company at work, as SimPy processes: requests come in, workflows move from step to step."""

from collections.abc import Callable
from math import exp
from typing import Final

from pipelines.contracts import Transition
from pipelines.history.company.changes import ChangeKind, apply_change
from pipelines.history.company.clock import Clock
from pipelines.history.company.demand import Demand
from pipelines.history.company.design import Company
from pipelines.history.company.dispatch import Dispatch
from pipelines.history.company.draws import Draws
from pipelines.history.company.journal import Journal
from pipelines.history.company.labour import Labour
from pipelines.history.company.requests import Request, Requests
from pipelines.history.company.templates import FUNCTION_OF_SKILL, FUNCTIONS
from pipelines.history.company.work import HEAD_STARTS_S, Steps, Task, Workflow

Progress = Callable[[int, int], None]

_MOST_RETURNS: Final = 3
_FUNCTION_INDEX: Final = {name: index for index, name in enumerate(FUNCTIONS)}


class Simulation:
    """One run: `run()` fills `journal` with exactly `task_count` tasks.

    `dispatch` says who gets which task: the company's own practice unless given.
    """

    def __init__(
        self,
        company: Company,
        seed: int,
        task_count: int,
        *,
        change: tuple[ChangeKind, int] | None = None,
        progress: Progress | None = None,
        dispatch: type[Dispatch] = Dispatch,
    ) -> None:
        self.company = company
        self.templates = company.templates
        self.journal = Journal(seed)
        self._clock = Clock()
        self._task_count = task_count
        self._progress = progress
        doubles = change is not None and change[0] is ChangeKind.DEMAND_DOUBLES
        self._demand = Demand(company, seed, change[1] if change and doubles else None)
        self._requests = Requests(company, seed)
        self._reviews = Draws(seed, "reviews")
        self._cases = Draws(seed, "cases")
        self._finished = self._clock.event()
        self.labour = Labour(
            self._clock, self.journal, company, seed, self._done, dispatch=dispatch
        )
        self._clock.process(self._receive())
        if change is not None:
            self._clock.process(self._change(*change))

    def run(self) -> int:
        """Run until the last task is created; return that moment."""
        self._clock.run(until=self._finished)
        return self._clock.at

    def run_until(self, at: int) -> None:
        """Run up to a moment, from where the run stands, so that it can be looked at there."""
        self._clock.run(until=at)

    def _receive(self) -> Steps:
        for at in self._demand.moments():
            yield self._clock.timeout(at - self._clock.at)
            self._open()

    def _change(self, kind: ChangeKind, at: int) -> Steps:
        yield self._clock.timeout(at)
        apply_change(self, kind)

    def _open(self) -> None:
        """Open a workflow with what the request says; its first steps become tasks."""
        if self.journal.task_count >= self._task_count:
            return
        now = self._clock.at
        index = self._demand.template(now, self.templates)
        template, client = self.templates[index], self._demand.client()
        request: Request = self._requests.draw(template, client, self._demand.channel(now), now)
        workflow = Workflow(
            index=self.journal.workflow_count,
            template=template,
            client=client,
            rank=request.rank,
            complexity=request.complexity,
            opened_at=now,
            due_at=request.due_at,
            recorded_at=now + request.delay_s,
            is_rejected=request.is_rejected,
            question_ratio=request.question_ratio,
            waiting=[len(step.after) for step in template.steps],
            remaining=len(template.steps),
        )
        self.journal.open_workflow(workflow, index, client.index, request.attributes)
        if request.withdrawn_after_s is not None:
            self._clock.call_at(now + request.withdrawn_after_s, lambda: self._withdraw(workflow))
        for number, step in enumerate(template.steps):
            if not step.after:
                self._create(workflow, number)

    def _create(self, workflow: Workflow, number: int, returned_by: int | None = None) -> None:
        """Create the task of a step and offer it to the step's team at the client's site."""
        created_count = self.journal.task_count
        if created_count >= self._task_count:
            return
        now = self._clock.at
        template = workflow.template
        skill = template.steps[number].skill
        site = workflow.client.site * len(FUNCTIONS)
        complexity = min(5, max(1, round(workflow.complexity + 0.45 * self._cases.normal())))
        task = Task(
            index=created_count,
            workflow=workflow,
            step=number,
            skill=skill,
            team=self.company.teams[site + _FUNCTION_INDEX[FUNCTION_OF_SKILL[skill]]],
            turn=now - HEAD_STARTS_S[workflow.rank],
            complexity=complexity,
            returned_by=returned_by,
        )
        workflow.open_tasks.append(task)
        promised_s = workflow.due_at - workflow.opened_at
        due_at = workflow.opened_at + int(promised_s * template.due_ratio[number])
        self.journal.add_task(task, max(due_at, now))
        documents = 1 + int(self._cases.lognormal(1.3 * complexity, 0.5))
        attributes = f'{{"complexity": {complexity}, "document_count": {documents}}}'
        self.journal.event(task, Transition.CREATED, now, attributes)
        self.labour.dispatch.offer(task)
        self._tell(created_count + 1)

    def _tell(self, created_count: int) -> None:
        if created_count == self._task_count:
            self._finished.succeed()
        if self._progress and created_count % max(1, self._task_count // 100) == 0:
            self._progress(created_count, self._task_count)

    def _done(self, task: Task) -> None:
        """Complete a task that is not cancelled yet, and move its workflow on."""
        workflow = task.workflow
        step = workflow.template.steps[task.step]
        is_returned = not task.is_over and step.reviews is not None and self._fails(task)
        if not task.is_over:
            attributes = "{}"
            if step.reviews is not None:
                attributes = f'{{"review_result": "{"returned" if is_returned else "passed"}"}}'
            self.journal.event(task, Transition.COMPLETED, self._clock.at, attributes)
            task.is_over = True
        workflow.open_tasks.remove(task)
        if step.reviews is not None and is_returned:
            workflow.return_count += 1
            number = workflow.template.position[step.reviews]
            self._create(workflow, number, returned_by=task.step)
        elif task.returned_by is not None:
            self._create(workflow, task.returned_by)
        else:
            self._advance(workflow, task.step)

    def _fails(self, review: Task) -> bool:
        """Draw whether a review sends the work back: level, haste and difficulty count."""
        workflow = review.workflow
        reviewed = workflow.template.steps[review.step].reviews
        if reviewed is None or workflow.return_count >= _MOST_RETURNS:
            return False
        number = workflow.template.position[reviewed]
        if number not in workflow.doers:
            return False
        person, pressure = workflow.doers[number]
        level = person.levels.get(workflow.template.steps[number].skill, 1)
        weight = (
            -2.0
            - 0.5 * (level - 3)
            + 1.2 * pressure
            + 0.4 * (workflow.complexity - 3)
            - 0.9 * workflow.return_count
        )
        return self._reviews.uniform() < 1 / (1 + exp(-weight))

    def _advance(self, workflow: Workflow, number: int) -> None:
        """Count a step as done; create the tasks that waited for it, or close the workflow."""
        workflow.remaining -= 1
        for successor in workflow.template.successors[number]:
            workflow.waiting[successor] -= 1
            if workflow.waiting[successor] == 0:
                if self._is_needed(workflow, successor):
                    self._create(workflow, successor)
                else:
                    self._advance(workflow, successor)
        if workflow.remaining == 0 and not workflow.is_closed:
            self._close(workflow, "rejected" if workflow.is_rejected else "accepted")

    def _is_needed(self, workflow: Workflow, number: int) -> bool:
        step = workflow.template.steps[number]
        if step.only_accepted and workflow.is_rejected:
            return False
        # Difficult cases need the further steps more often.
        share = min(0.97, step.share * (0.55 + 0.15 * workflow.complexity))
        return step.share >= 1 or self._cases.uniform() < share

    def _withdraw(self, workflow: Workflow) -> None:
        """Let the client call the workflow off, unless it is closed."""
        if workflow.is_closed or not workflow.open_tasks:
            return
        for task in list(workflow.open_tasks):
            self.labour.drop(task)
        workflow.open_tasks.clear()
        self._close(workflow, "withdrawn")

    def _close(self, workflow: Workflow, outcome: str) -> None:
        workflow.is_closed = True
        self.journal.close_workflow(workflow, self._clock.at, outcome)
