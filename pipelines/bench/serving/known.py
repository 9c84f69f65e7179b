"""What the benchmark asks about: workflows that run at the clock, their tasks, and people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import or_, select

from pipelines.contracts import Stage
from pipelines.errors import BenchmarkError
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.platform_tables import alerts
from pipelines.source.tables import people, task_events, tasks
from pipelines.source.watermarks import get_watermark
from pipelines.store.moments import running_workflows


@dataclass(frozen=True)
class Known:
    """Ids that can be asked about at the clock, each in an order that does not change."""

    as_of: datetime
    workflow_ids: Sequence[str]
    task_ids: Sequence[str]  # open ones
    person_ids: Sequence[str]
    alert_ids: Sequence[str]  # open ones
    views: pd.DataFrame  # events of running workflows: occurred_at, person_id, workflow_id


def known_now(settings: Settings) -> Known:
    """Look up what can be asked about.

    Raises:
        BenchmarkError: no features have been built, or nothing runs at the clock.
    """
    engine = open_engine(settings)
    try:
        as_of = get_watermark(engine, Stage.FEATURES)
        if as_of is None:
            raise BenchmarkError("No features are built yet: let the platform learn first.")
        workflow_ids = running_workflows(settings.lake, as_of)["workflow_id"].tolist()
        open_tasks = select(tasks.c.task_id).where(
            tasks.c.workflow_id.in_(workflow_ids),
            tasks.c.created_at < as_of,
            or_(tasks.c.completed_at.is_(None), tasks.c.completed_at >= as_of),
            or_(tasks.c.cancelled_at.is_(None), tasks.c.cancelled_at >= as_of),
        )
        columns = (task_events.c.occurred_at, task_events.c.person_id, task_events.c.workflow_id)
        events = select(*columns).where(
            task_events.c.workflow_id.in_(workflow_ids),
            task_events.c.recorded_at < as_of,
            task_events.c.person_id.is_not(None),
        )
        with engine.connect() as connection:
            task_ids = sorted(connection.scalars(open_tasks))
            person_ids = sorted(connection.scalars(select(people.c.person_id)))
            open_alerts = select(alerts.c.alert_id).where(alerts.c.closed_at.is_(None))
            alert_ids = sorted(map(str, connection.scalars(open_alerts)))
            views = pd.DataFrame(connection.execute(events.order_by(*columns)).mappings().all())
    finally:
        engine.dispose()
    if not workflow_ids or not task_ids or not person_ids or views.empty:
        raise BenchmarkError(
            f"At {as_of} there is nobody or nothing to ask about: {len(workflow_ids)} workflows "
            f"run, with {len(task_ids)} open tasks; the history needs to be longer."
        )
    return Known(as_of, workflow_ids, task_ids, person_ids, alert_ids, views)
