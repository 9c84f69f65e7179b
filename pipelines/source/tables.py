"""Every table of the source database, under one name to import."""

from pipelines.source.company_tables import (
    clients,
    leaves,
    memberships,
    people,
    person_skills,
    skills,
    teams,
    template_tasks,
    templates,
)
from pipelines.source.metadata import METADATA
from pipelines.source.platform_tables import (
    alerts,
    audit_log,
    drift_reports,
    feedback,
    imports,
    predictions,
    rejected_rows,
    watermarks,
)
from pipelines.source.work_tables import task_dependencies, task_events, tasks, workflows

__all__ = [
    "METADATA",
    "alerts",
    "audit_log",
    "clients",
    "drift_reports",
    "feedback",
    "imports",
    "leaves",
    "memberships",
    "people",
    "person_skills",
    "predictions",
    "rejected_rows",
    "skills",
    "task_dependencies",
    "task_events",
    "tasks",
    "teams",
    "template_tasks",
    "templates",
    "watermarks",
    "workflows",
]
