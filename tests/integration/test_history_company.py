"""A simulated history goes into the real source database as it is, and only once."""

import json
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, Table, func, select

from pipelines.contracts import WORKFLOW_SCHEMA
from pipelines.errors import ImportFailedError
from pipelines.history.company import simulate_company
from pipelines.source.imports import load_simulated
from pipelines.source.load import load_history
from pipelines.source.tables import METADATA, people, task_events, template_tasks

pytestmark = pytest.mark.integration


def test_every_row_of_every_table_is_loaded_once(database: Engine, tmp_path: Path) -> None:
    files = simulate_company(tmp_path, task_count=500, seed=3)
    counts = load_history(database, files, uuid4())
    assert (counts.events_added, counts.events_present) == (files.read_count, 0)
    assert (counts.tasks_added, counts.rejected) == (500, 0)
    paths = {**files.master, "task_events": files.task_events, "workflows": files.workflows}
    with database.connect() as connection:
        for name, path in paths.items():
            table: Table = METADATA.tables[f"{WORKFLOW_SCHEMA}.{name}"]
            found = connection.scalar(select(func.count()).select_from(table))
            assert found == pq.read_metadata(path).num_rows, name
        predecessors = connection.scalar(
            select(template_tasks.c.predecessors).where(
                template_tasks.c.template_id == "new-contract",
                template_tasks.c.activity == "Draft contract",
            )
        )
        hours = connection.scalar(
            select(people.c.working_hours).where(people.c.person_id == "P-00001")
        )
        event = connection.execute(select(task_events).order_by(task_events.c.sequence)).first()
    assert predecessors == ["Assess risk", "Check documents"]
    first = pq.read_table(files.master["people"])["working_hours"][0].as_py()
    assert hours == json.loads(first)
    written = pq.read_table(files.task_events).slice(0, 1).to_pylist()[0]
    assert event is not None
    assert str(event.event_id) == written["event_id"]
    assert (event.occurred_at, event.attributes) == (
        written["occurred_at"],
        json.loads(written["attributes"]),
    )

    again = load_history(database, files, uuid4())
    assert (again.events_added, again.events_present) == (0, files.read_count)


def test_a_second_company_is_refused_and_the_same_one_adds_nothing(
    database: Engine, tmp_path: Path
) -> None:
    first = simulate_company(tmp_path / "1", task_count=120, seed=1)
    assert load_simulated(database, first, "seed 1").events_added > 0
    assert load_simulated(database, first, "seed 1").already_imported
    second = simulate_company(tmp_path / "2", task_count=120, seed=2)
    with pytest.raises(ImportFailedError, match="holds another history"):
        load_simulated(database, second, "seed 2")
