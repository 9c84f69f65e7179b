"""Request examples that work when pasted: ids of workflows that are running now."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, or_, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.source.tables import workflows

_COUNT: Final = 2


def running_ids(engine: Engine, as_of: datetime) -> list[str]:
    """Return the latest opened of those running as known at `as_of`; none without a database."""
    query = (
        select(workflows.c.workflow_id)
        .where(
            workflows.c.recorded_at < as_of,
            or_(
                workflows.c.closure_recorded_at.is_(None),
                workflows.c.closure_recorded_at >= as_of,
            ),
        )
        .order_by(workflows.c.opened_at.desc(), workflows.c.workflow_id)
        .limit(_COUNT)
    )
    try:
        with engine.connect() as connection:
            return [str(workflow_id) for workflow_id in connection.scalars(query)]
    except SQLAlchemyError:
        return []


def with_examples(openapi: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """Return the OpenAPI document with these workflows as its examples, if there are any."""
    if not ids:
        return openapi
    schemas = dict(openapi["components"]["schemas"])
    for name, example in (
        ("OneWorkflow", {"workflow_id": ids[0]}),
        ("ManyWorkflows", {"workflow_ids": ids}),
    ):
        schemas[name] = {**schemas[name], "examples": [example]}
    return {**openapi, "components": {**openapi["components"], "schemas": schemas}}
