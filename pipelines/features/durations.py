"""The one definition of waiting, service and sojourn time.

A task is ready when it was created or assigned; where the log tells neither, when the
workflow's previous event happened (the convention of process mining for logs without start
times: van der Aalst, Process Mining, 2nd ed., 2016, ch. 9). Then

- waiting_time_s: ready to started, unknown where no start is logged;
- service_time_s: started to completed, unknown where no start is logged, not zero;
- sojourn_time_s: ready to completed = waiting + service where both are known; unknown for a
  workflow's first event, which has no previous one.

Durations are those known when the completion was recorded; later recordings do not revise them.
"""

import ibis
import ibis.expr.types as ir

from pipelines.contracts import Transition
from pipelines.features.coding import CodedEvents, with_texts
from pipelines.features.timing import day_number, microseconds, seconds_between


def completed_tasks(tasks: ir.Table, coded: CodedEvents) -> ir.Table:
    """Return one row for each task's first completion.

    Args:
        tasks: of `prefixes.task_prefixes`.
        coded: what its numbers mean.

    Returns:
        workflow_id, task_id, activity; person_id and team_id (the last named by the task's
        events, null where none is); completed_at and recorded_at (of the completion);
        happened_day and known_day (UTC days since 1970 on which it was completed, and from
        whose end on it counts); waiting_time_s, service_time_s, sojourn_time_s (null where
        unknown).
    """
    completions = tasks.filter(
        tasks.transition == Transition.COMPLETED.value,
        tasks.completion_count == 1,
        tasks.recorded_us >= tasks.known_from_us,  # the version in which it became known
    )
    ready_us = task_ready_us(completions)
    known_us = ibis.greatest(completions.happened_us, completions.recorded_us)
    timed = completions.select(
        "task",
        "activity_code",
        "holder_code",
        "holder_team_code",
        "recorded_at",
        completed_at=completions.occurred_at,
        happened_day=day_number(completions.happened_us),
        known_day=day_number(known_us),
        waiting_time_s=seconds_between(ready_us, completions.started_us),
        service_time_s=seconds_between(completions.started_us, completions.happened_us),
        sojourn_time_s=seconds_between(ready_us, completions.happened_us),
    )
    ids = coded.tasks.select("task", "workflow_id", "task_id")
    texts = {
        "activity": ("activity_code", coded.activities),
        "person_id": ("holder_code", coded.people),
        "team_id": ("holder_team_code", coded.teams),
    }
    return with_texts(timed.inner_join(ids, "task"), texts).select(
        "workflow_id",
        "task_id",
        "completed_at",
        "recorded_at",
        *texts,
        "happened_day",
        "known_day",
        "waiting_time_s",
        "service_time_s",
        "sojourn_time_s",
    )


def task_ready_us(tasks: ir.Table) -> ir.IntegerValue:
    """Return when the task of an event of `prefixes.task_prefixes` was ready; null if unknown."""
    ready_us = tasks.ready_us.coalesce(tasks.preceding_us)
    # A task that was started before it was created was ready when it was started.
    return (tasks.started_us < ready_us).ifelse(tasks.started_us, ready_us)


def with_due_dates(completions: ir.Table, workflows: ir.Table) -> ir.Table:
    """Say of completions whether they came by their workflow's due date.

    Args:
        completions: of `completed_tasks`.
        workflows: the history's.

    Returns:
        The completions with is_on_time (null without a due date) and due_known_day (from whose
        end on that counts).
    """
    due = workflows.select(
        "workflow_id",
        "due_at",
        opening_known_day=day_number(microseconds(workflows.recorded_at)),
    )
    timed = completions.left_join(due, "workflow_id").drop("workflow_id_right")
    return timed.mutate(
        is_on_time=timed.completed_at <= timed.due_at,
        due_known_day=ibis.greatest(timed.known_day, timed.opening_known_day),
    ).drop("due_at", "opening_known_day")
