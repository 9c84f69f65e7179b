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
from pipelines.features.prefixes import VERSION_KEY, in_order, last_known
from pipelines.features.timing import day_number, microseconds, seconds_between

_BEFORE_ALL = -(2**62)


def completed_tasks(prefixes: ir.Table, workflows: ir.Table) -> ir.Table:
    """Return one row for each task's first completion.

    Args:
        prefixes: of `prefixes.known_prefixes`.
        workflows: the history's.

    Returns:
        workflow_id, task_id, activity; person_id and team_id (the last named by the task's
        events, null where none is); completed_at; happened_day and known_day (UTC days since
        1970 on which it was completed, and from whose end on it counts); waiting_time_s,
        service_time_s, sojourn_time_s (null where unknown); is_on_time (completed by the
        workflow's due date; null without one) and due_known_day (from whose end on that counts).
    """
    previous = prefixes.happened_us.lag().over(in_order(*VERSION_KEY))
    events = prefixes.mutate(previous_us=previous.coalesce(_BEFORE_ALL))
    task = (*VERSION_KEY, "task_id")
    so_far = in_order(*task, rows=(None, 0))
    is_start = events.transition == Transition.STARTED.value
    is_ready = events.transition.isin([Transition.CREATED.value, Transition.ASSIGNED.value])
    is_completion = events.transition == Transition.COMPLETED.value
    tasks = events.mutate(
        ready_us=is_ready.ifelse(events.happened_us, ibis.null("int64")).min().over(so_far),
        started_us=is_start.ifelse(events.happened_us, ibis.null("int64")).min().over(so_far),
        # Never falls along a task: its minimum is the one at the task's first event.
        preceding_us=events.previous_us.min().over(so_far).nullif(_BEFORE_ALL),
        completion_count=is_completion.cast("int64").sum().over(so_far),
        holder_id=last_known(events.person_id, events.position, so_far),
        holder_team_id=last_known(events.team_id, events.position, so_far),
    )
    completions = tasks.filter(
        tasks.transition == Transition.COMPLETED.value,
        tasks.completion_count == 1,
        tasks.recorded_us >= tasks.known_from_us,  # the version in which it became known
    )
    ready_us = completions.ready_us.coalesce(completions.preceding_us)
    # A task that was started before it was created was ready when it was started.
    ready_us = (completions.started_us < ready_us).ifelse(completions.started_us, ready_us)
    known_us = ibis.greatest(completions.happened_us, completions.recorded_us)
    timed = completions.select(
        "workflow_id",
        "task_id",
        "activity",
        person_id=completions.holder_id,
        team_id=completions.holder_team_id,
        completed_at=completions.occurred_at,
        happened_day=day_number(completions.happened_us),
        known_day=day_number(known_us),
        waiting_time_s=seconds_between(ready_us, completions.started_us),
        service_time_s=seconds_between(completions.started_us, completions.happened_us),
        sojourn_time_s=seconds_between(ready_us, completions.happened_us),
    )
    due = workflows.select(
        "workflow_id",
        "due_at",
        opening_known_day=day_number(microseconds(workflows.recorded_at)),
    )
    timed = timed.left_join(due, "workflow_id").drop("workflow_id_right")
    return timed.mutate(
        is_on_time=timed.completed_at <= timed.due_at,
        due_known_day=ibis.greatest(timed.known_day, timed.opening_known_day),
    ).drop("due_at", "opening_known_day")
