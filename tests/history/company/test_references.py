import json

import pytest

from pipelines.contracts import WORKFLOW_SCHEMA
from pipelines.source.metadata import METADATA
from pipelines.source.tables import template_tasks  # noqa: F401  (declares the tables)

from .conftest import History

FOREIGN = [
    ("task_events", "task_id", "tasks"),
    ("task_events", "workflow_id", "workflows"),
    ("task_events", "person_id", "people"),
    ("task_events", "team_id", "teams"),
    ("tasks", "workflow_id", "workflows"),
    ("workflows", "client_id", "clients"),
    ("workflows", "template_id", "templates"),
    ("people", "team_id", "teams"),
    ("memberships", "person_id", "people"),
    ("memberships", "team_id", "teams"),
    ("person_skills", "person_id", "people"),
    ("person_skills", "skill_id", "skills"),
    ("leaves", "person_id", "people"),
    ("template_tasks", "template_id", "templates"),
    ("template_tasks", "skill_id", "skills"),
]


@pytest.mark.parametrize(("table", "column", "master"), FOREIGN)
def test_every_id_is_known(small: History, table: str, column: str, master: str) -> None:
    values = small.frame(table)[column].dropna()
    assert len(values) > 0
    assert set(values) <= set(small.frame(master)[column])


def test_every_activity_is_of_its_template(small: History) -> None:
    tasks = small.frame("tasks").merge(small.frame("workflows"), on="workflow_id")
    steps = small.frame("template_tasks")
    known = set(zip(steps.template_id, steps.activity, strict=True))
    assert set(zip(tasks.template_id, tasks.activity, strict=True)) == known
    for _, own in steps.groupby("template_id"):
        assert {name for names in own.predecessors for name in names} <= set(own.activity)


def test_master_tables_fit_the_source_database(small: History) -> None:
    for name in small.files.master:
        source = METADATA.tables[f"{WORKFLOW_SCHEMA}.{name}"]
        frame = small.frame(name)
        assert set(frame.columns) <= set(source.columns.keys()), name
        key = [column.name for column in source.primary_key]
        assert not frame.duplicated(key).any(), name
        for column in source.columns:
            if not column.nullable and column.server_default is None:
                assert frame[column.name].notna().all(), (name, column.name)


def test_master_values_are_possible(small: History) -> None:
    assert small.frame("person_skills").level_ratio.between(0, 1).all()
    assert (small.frame("people").capacity > 0).all()
    leaves = small.frame("leaves")
    assert (leaves.ends_at > leaves.starts_at).all()
    assert (small.frame("template_tasks").expected_service_time_s > 0).all()
    weekly = small.frame("people").attributes.map(lambda text: json.loads(text)["weekly_hours"])
    assert weekly.between(20, 40).all()
    assert weekly.nunique() > 1
