"""Request examples that work when pasted: ids of what is open, and of who is there, now."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Select, or_, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import FeatureView, Model
from pipelines.features.views import qualified
from pipelines.source.platform_tables import predictions
from pipelines.source.tables import people, tasks, workflows
from serving.allocation_schemas import AllocationQuestion
from serving.feedback import GivenFeedback
from serving.schemas import ManyWorkflows, OneWorkflow
from serving.task_schemas import AssigneeOfStep, AssigneeOfTask, ManyTasks, OneTask
from serving.template_schemas import NewWorkflow, RunningWorkflow

_COUNT: Final = 2
_LATER: Final = timedelta(days=7)
_DUE_AT: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "due_at")
_KEPT_S: Final = 60
_JSON: Final = "application/json"

Example = dict[str, Any]
OfKinds = dict[str, list[Example]]  # of each question's schema, by the schema's name
Found = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What there is to ask about at a moment; empty where nothing is."""

    as_of: datetime
    workflows: Found = ()
    tasks: Found = ()
    people: Found = ()
    prediction_ids: Found = ()


def read_facts(engine: Engine, as_of: datetime) -> Facts:
    """Read the latest opened work as known at `as_of`; nothing without a database."""
    # One that nobody has answered about yet has its general example.
    of_assignees = predictions.c.model_name == Model.ASSIGNEE.value
    try:
        with engine.connect() as connection:

            def rows(statement: Select[Any]) -> Found:
                return [dict(row) for row in connection.execute(statement).mappings()]

            return Facts(
                as_of,
                rows(_running_workflows(as_of)),
                rows(_open_tasks(as_of)),
                rows(select(people.c.person_id).order_by(people.c.person_id).limit(_COUNT)),
                rows(
                    select(predictions.c.prediction_id)
                    .where(of_assignees)
                    .order_by(predictions.c.requested_at.desc())
                    .limit(1)
                ),
            )
    except SQLAlchemyError:
        return Facts(as_of)


def _is_running(as_of: datetime) -> ColumnElement[bool]:
    closure = workflows.c.closure_recorded_at
    return (workflows.c.recorded_at < as_of) & or_(closure.is_(None), closure >= as_of)


def _running_workflows(as_of: datetime) -> Select[Any]:
    names = ("workflow_id", "client_id", "priority", "attributes")
    return (
        select(*(workflows.c[name] for name in names))
        .where(_is_running(as_of))
        .order_by(workflows.c.opened_at.desc(), workflows.c.workflow_id)
        .limit(_COUNT)
    )


def _open_tasks(as_of: datetime) -> Select[Any]:
    ended = (tasks.c.completed_at, tasks.c.cancelled_at)
    return (
        select(tasks.c.task_id, tasks.c.workflow_id, tasks.c.activity)
        .join(workflows, workflows.c.workflow_id == tasks.c.workflow_id)
        .where(
            _is_running(as_of),
            tasks.c.created_at < as_of,
            *(or_(end.is_(None), end >= as_of) for end in ended),
        )
        .order_by(tasks.c.created_at.desc(), tasks.c.task_id)
        .limit(_COUNT)
    )


class Examples:
    """Read them when the clock has moved, and now and then, not at every look at the page.

    The page is open to all, and a database that is away lets whoever asks it wait.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._kept: OfKinds = {}
        self._of: datetime | None = None
        self._until = 0.0  # of the monotonic clock

    def at(self, as_of: datetime) -> OfKinds:
        """Return examples of each kind of question there is something to ask about."""
        with self._lock:
            if self._of != as_of or time.monotonic() > self._until:
                self._kept = examples(read_facts(self._engine, as_of))
                self._of, self._until = as_of, time.monotonic() + _KEPT_S
            return self._kept


def examples(facts: Facts) -> OfKinds:
    """Return the examples of each question's schema, by the schema's name."""
    found: dict[type, Example] = {}
    later: Example = {}
    if facts.workflows:
        first = facts.workflows[0]
        ids = [row["workflow_id"] for row in facts.workflows]
        found[OneWorkflow] = found[RunningWorkflow] = {"workflow_id": ids[0]}
        found[ManyWorkflows] = {"workflow_ids": ids}
        due_at = (facts.as_of + _LATER).isoformat()
        later = {"workflow_id": ids[0], "overrides": {_DUE_AT: due_at}}
        found[NewWorkflow] = {
            **{name: first[name] for name in ("client_id", "priority") if first[name]},
            "attributes": {
                name: value
                for name, value in first["attributes"].items()
                if isinstance(value, str | float | int | bool)
            },
            "count": 3,
        }
    if facts.tasks:
        first = facts.tasks[0]
        ids = [row["task_id"] for row in facts.tasks]
        found[OneTask] = {"task_id": ids[0]}
        found[ManyTasks] = {"task_ids": ids}
        found[AssigneeOfTask] = {"task_id": ids[0], "count": 5}
        found[AssigneeOfStep] = {
            "workflow_id": first["workflow_id"], "activity": first["activity"], "count": 3,
        }  # fmt: skip
        if facts.people:
            who = [{"person_id": row["person_id"]} for row in facts.people]
            found[AllocationQuestion] = {
                "tasks": [{"task_id": ids[0], "priority": 2}, *({"task_id": i} for i in ids[1:])],
                "people": [*who[:-1], {**who[-1], "max_tasks": 3}],
            }
    if facts.prediction_ids and facts.people:
        found[GivenFeedback] = {
            "prediction_id": str(facts.prediction_ids[0]["prediction_id"]),
            "verdict": "overridden",
            "by": "team lead",
            "chosen": facts.people[0]["person_id"],
            "reason": "The recommended person is on leave next week.",
        }
    of_kinds = {kind.__name__: [example] for kind, example in found.items()}
    if later:
        of_kinds[OneWorkflow.__name__].append(later)
    return of_kinds


def with_examples(openapi: dict[str, Any], found: OfKinds) -> dict[str, Any]:
    """Return the OpenAPI document with these examples, each kind of question to choose from."""
    schemas = {
        name: {**schema, "examples": found[name]} if name in found else schema
        for name, schema in openapi["components"]["schemas"].items()
    }
    paths = {
        path: {method: _to_choose(operation, schemas) for method, operation in operations.items()}
        for path, operations in openapi["paths"].items()
    }
    return {**openapi, "components": {**openapi["components"], "schemas": schemas}, "paths": paths}


def _to_choose(operation: dict[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Show the example of each kind that a request's body may be."""
    body = operation.get("requestBody")
    if body is None:
        return operation
    media = body["content"][_JSON]
    shown = {
        name if number == 1 else f"{name} {number}": {
            "summary": schemas[name]["description"],
            "value": example,
        }
        for name in _kinds(media["schema"], schemas)
        for number, example in enumerate(schemas[name].get("examples", ()), start=1)
    }
    content = {**body["content"], _JSON: {**media, "examples": shown}}
    return {**operation, "requestBody": {**body, "content": content}}


def _kinds(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Return the names of the schemas that a schema may be, itself where it is no choice."""
    name = schema["$ref"].rpartition("/")[2]
    choices = schemas[name].get("oneOf") or schemas[name].get("anyOf")
    if choices is None:
        return [name]
    return [kind for choice in choices for kind in _kinds(choice, schemas)]
