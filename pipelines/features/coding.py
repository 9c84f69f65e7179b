"""Events as whole numbers: every text that occurs gets a number, in the order of the texts.

The windows over a workflow's events copy every column they carry, several times. Numbers are a
fraction of the size of texts, compare faster, and let a running maximum find the last value that
is known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.timing import microseconds

Keep = Callable[[str, ir.Table], ir.Table]

# A place and a number in one: below 2^53 (4 million places) engines may divide as floats.
_NUMBERS: Final = 2**31


@dataclass(frozen=True)
class CodedEvents:
    """Events in numbers, and what the numbers mean.

    `events` has transition; occurred_at and recorded_at, and the same as happened_us and
    recorded_us (microseconds since 1970); place (1, 2, … by occurred_at, sequence, event_id
    within a workflow); the numbers workflow, task (of a workflow and its task id),
    activity_code, person_code, team_code, document_code (null where the text is null, and for
    the document `{}`). Each other table has the number, under that name, and the text it stands
    for.
    """

    events: ir.Table
    tasks: ir.Table  # task, workflow, workflow_id, task_id
    workflows: ir.Table  # workflow, workflow_id
    activities: ir.Table
    people: ir.Table
    teams: ir.Table
    documents: ir.Table  # document_code, attributes


def code_events(task_events: ir.Table, keep: Keep) -> CodedEvents:
    """Replace the texts of events by numbers.

    Args:
        task_events: the history's.
        keep: see `compute.ViewComputer`.
    """
    ids = task_events.select("workflow_id", "task_id").distinct()
    by_id = ibis.window(order_by=["workflow_id", "task_id"])
    tasks = keep(
        "tasks",
        ids.mutate(
            task=ibis.row_number().over(by_id).cast("int32"),
            workflow=ibis.dense_rank().over(ibis.window(order_by="workflow_id")).cast("int32"),
        ),
    )
    activities = keep("activities", _names(task_events, "activity", "activity_code"))
    people = keep("people", _names(task_events, "person_id", "person_code"))
    teams = keep("teams", _names(task_events, "team_id", "team_code"))
    told = task_events.filter(task_events.attributes != "{}")
    documents = keep("documents", _names(told, "attributes", "document_code"))
    coded = task_events.inner_join(tasks, ["workflow_id", "task_id"])
    for names, text in (
        (activities, "activity"),
        (people, "person_id"),
        (teams, "team_id"),
        (documents, "attributes"),
    ):
        coded = coded.left_join(names, text, rname=f"{text}_{{name}}")
    happened_us = microseconds(coded.occurred_at)
    in_log = ibis.window(group_by="workflow", order_by=[happened_us, "sequence", "event_id"])
    coded = coded.select(
        "transition",
        "workflow",
        "task",
        "activity_code",
        "person_code",
        "team_code",
        "document_code",
        "occurred_at",
        "recorded_at",
        happened_us=happened_us,
        recorded_us=microseconds(coded.recorded_at),
        place=(ibis.row_number().over(in_log) + 1).cast("int32"),
    )
    return CodedEvents(
        events=keep("coded_events", coded),
        tasks=tasks,
        workflows=keep("workflow_numbers", tasks.select("workflow", "workflow_id").distinct()),
        activities=activities,
        people=people,
        teams=teams,
        documents=documents,
    )


def with_texts(rows: ir.Table, texts: Mapping[str, tuple[str, ir.Table]]) -> ir.Table:
    """Join the texts that numbers stand for.

    Args:
        rows: with columns of numbers.
        texts: by the name the text shall have, the column of its number and the table that says
            what numbers mean: a number and a text.

    Returns:
        A join to select from: the columns of `rows` and the texts.
    """
    for name, (column, names) in texts.items():
        code, text = names.columns
        meaning = names.select(**{f"{name}_code_": names[code], name: names[text]})
        rows = rows.left_join(meaning, rows[column] == meaning[f"{name}_code_"])
    return rows


def over(total: ir.Value, window: WindowBuilder | None) -> ir.Value:
    """Take a sum, minimum or maximum over a window; over a whole group where there is none."""
    return total if window is None else total.over(window)


def last_known(
    number: ir.IntegerValue, place: ir.IntegerValue, window: WindowBuilder | None
) -> ir.IntegerValue:
    """Return the last number in a window or group that is not null, by `place`.

    Engines disagree on whether LAST_VALUE skips nulls; a running maximum of the number behind
    its place means the same on all of them.
    """
    last = over((place.cast("int64") * _NUMBERS + number).max(), window) % _NUMBERS
    return last.cast("int32")


def _names(rows: ir.Table, text: str, code: str) -> ir.Table:
    distinct = rows.filter(rows[text].notnull()).select(text).distinct()
    return distinct.select(
        **{
            code: ibis.row_number().over(ibis.window(order_by=text)).cast("int64"),
            text: distinct[text],
        }
    )
