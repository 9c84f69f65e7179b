"""Request examples that work when pasted: ids of what is open, and of who is there, now."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from sqlalchemy import Engine

from pipelines.contracts import FeatureView
from pipelines.features.views import qualified
from serving.acknowledge import Acknowledgement
from serving.allocation_schemas import AllocationQuestion
from serving.example_facts import Facts, read_facts
from serving.feedback import GivenFeedback
from serving.schemas import ManyWorkflows, OneWorkflow
from serving.task_schemas import AssigneeOfStep, AssigneeOfTask, ManyTasks, OneTask
from serving.template_schemas import NewWorkflow, RunningWorkflow

_LATER: Final = timedelta(days=7)
_DUE_AT: Final = qualified(FeatureView.WORKFLOW_PROGRESS, "due_at")
_KEPT_S: Final = 60
_JSON: Final = "application/json"

Example = dict[str, Any]
OfKinds = dict[str, list[Example]]  # of each question's schema, by the schema's name


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
    what_if: dict[type, Example] = {}
    later = {_DUE_AT: (facts.as_of + _LATER).isoformat()}
    if facts.workflows:
        first = facts.workflows[0]
        ids = [row["workflow_id"] for row in facts.workflows]
        found[OneWorkflow] = found[RunningWorkflow] = {"workflow_id": ids[0]}
        found[ManyWorkflows] = {"workflow_ids": ids}
        what_if[OneWorkflow] = {"workflow_id": ids[0], "overrides": later}
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
        what_if[OneTask] = {"task_id": ids[0], "overrides": later}
        found[ManyTasks] = {"task_ids": ids}
        found[AssigneeOfTask] = {"task_id": ids[0], "count": 5}
        found[AssigneeOfStep] = {
            "workflow_id": first["workflow_id"], "activity": first["activity"], "count": 3,
        }  # fmt: skip
        if facts.people:
            names = [row["person_id"] for row in facts.people]
            who = [{"person_id": name} for name in names]
            found[AllocationQuestion] = {
                "tasks": [{"task_id": ids[0], "priority": 2}, *({"task_id": i} for i in ids[1:])],
                "people": [*who[:-1], {**who[-1], "max_tasks": 3}],
            }
            # Who is named may be proposed, even without a task so far.
            what_if[AssigneeOfTask] = {
                "task_id": ids[0],
                "person_ids": names,
                "overrides": {names[0]: {"held_task_count": 0}},
            }
    if facts.prediction_ids and facts.people:
        found[GivenFeedback] = {
            "prediction_id": str(facts.prediction_ids[0]["prediction_id"]),
            "verdict": "overridden",
            "by": "team lead",
            "chosen": facts.people[0]["person_id"],
            "reason": "The recommended person is on leave next week.",
        }
    if facts.alert_ids:
        found[Acknowledgement] = {
            "alert_id": str(facts.alert_ids[0]["alert_id"]),
            "by": "team lead",
        }
    return {kind.__name__: [of[kind] for of in (found, what_if) if kind in of] for kind in found}


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
