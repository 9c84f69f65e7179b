"""What a log tells by a moment: events are learned in order, questions are asked between them."""

import numpy as np

from pipelines.learning.assignee.coded_log import NONE, Event
from pipelines.learning.assignee.collaborative import Collaborative
from pipelines.learning.assignee.content import Content
from pipelines.learning.assignee.handovers import DAY_S, Handovers, Vectors
from pipelines.learning.assignee.people import People
from pipelines.learning.assignee.question import Question, TaskAsked, Trace
from pipelines.learning.assignee.tasks import Leaving, Tasks
from pipelines.learning.assignee.workload import Workload


class Ledger:
    """All that the recommender knows; it cannot know an event before it was told.

    With `tasks` it knows what people take, hold and finish, and answers about a task whose
    activity is known.
    """

    def __init__(self, tasks: Tasks | None = None) -> None:
        self._tasks = tasks
        self._person_count = 0
        self._traces: dict[int, Trace] = {}
        self._handovers = Handovers()
        self._collaborative = Collaborative()
        self._content = Content()
        self._people = People()
        self._workload = Workload()

    def learn(self, event: Event) -> None:
        """Take in an event, not earlier than the last one."""
        self._person_count = max(self._person_count, event.person + 1)
        trace = self._traces.setdefault(event.workflow, Trace())
        if self._tasks is not None:
            self._tasks.take(trace, event)
        if trace.people and trace.people[-1] != event.person:
            answered = self.question(event.workflow, event.time_s)
            self._handovers.learn(answered, event.person)
            self._collaborative.learn(answered, event.person)
        trace.add(event)
        self._content.learn(trace)
        self._people.learn(event, trace)
        self._workload.learn(event)

    def leave(self, leaving: Leaving) -> None:
        """Take in that a task was left by the one who had taken it."""
        if self._tasks is not None:
            self._tasks.leave(leaving)

    def question(self, workflow: int, now_s: float, new_person_count: int = 0) -> Question:
        """Ask who goes on with a workflow; people not met so far have the codes that follow."""
        return Question(self._traces[workflow], now_s, self._person_count + new_person_count)

    def task_question(self, asked: TaskAsked, new_person_count: int = 0) -> Question:
        """Ask who should take a task; its workflow may have no event so far."""
        trace = self._traces.get(asked.workflow) or Trace(context=asked.context)
        person_count = self._person_count + new_person_count
        return Question(trace, asked.now_s, person_count, asked.activity, asked.team)

    def features(self, question: Question) -> Vectors:
        """Return what is known of every person met so far, in view of a question."""
        held = self._workload.held(question.now_s, question.person_count)
        of_task: Vectors = {} if self._tasks is None else self._tasks.features(question)
        return {
            **of_task,
            **self._handovers.features(question),
            **self._collaborative.features(question),
            "content_score": self._content.score(question),
            **self._people.features(question),
            "held_workflow_count": held,
            **_in_workflow(question),
            **_of_the_question(question),
        }


def _in_workflow(question: Question) -> Vectors:
    """Return what each person did in this very workflow."""
    trace, size = question.trace, question.person_count
    people = np.array(trace.people, dtype=np.int64)
    is_same = np.array(trace.activities, dtype=np.int64) == question.activity
    ago = np.full(size, np.nan)
    ago[people] = len(people) - np.arange(len(people))  # the last of equal places counts
    began = np.zeros(size)
    began[people[:1]] = 1
    return {
        "workflow_event_count": np.bincount(people, minlength=size).astype(float),
        "workflow_activity_event_count": np.bincount(people[is_same], minlength=size).astype(float),
        "workflow_events_ago": ago,
        "began_workflow": began,
    }


def _of_the_question(question: Question) -> Vectors:
    """Return what is the same for everyone, and tells which of the others to believe."""
    times_s, now_s = question.trace.times_s, question.now_s
    values: dict[str, float] = {
        "prefix_length": len(times_s),
        "elapsed_s": now_s - times_s[0] if times_s else np.nan,
        "since_previous_event_s": now_s - times_s[-2] if len(times_s) > 1 else np.nan,
        "hour": int(now_s // 3_600) % 24,
        "weekday": int(now_s // DAY_S) % 7,
    }
    if question.task_activity == NONE:
        # Codes of activities tell something only to trees of the same replay, while those of a
        # task's model are kept and answer after another one.
        values = {
            "activity": question.activity,
            "previous_activity": question.previous_activity,
            **values,
        }
    return {name: np.full(question.person_count, float(value)) for name, value in values.items()}
