"""The migrations make the tables of `tables.py`, once, from any state, and can be undone."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from pipelines.errors import SourceError
from pipelines.source.migrate import differences, downgrade, migrate

pytestmark = pytest.mark.integration


def test_migrated_database_equals_the_tables(database: Engine) -> None:
    assert differences(database) == []


def test_a_missing_column_is_seen(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workflow.tasks DROP COLUMN due_at"))
    (difference,) = differences(database)
    assert "due_at" in difference


def test_migrating_again_changes_nothing(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("INSERT INTO workflow.clients (client_id) VALUES ('c1')"))
    migrate(database)
    with database.connect() as connection:
        assert connection.execute(text("SELECT client_id FROM workflow.clients")).all() == [("c1",)]


def test_processes_may_migrate_at_the_same_time(empty_database: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [empty_database] * 4))
    assert differences(empty_database) == []


def test_every_step_can_be_undone_and_redone(database: Engine) -> None:
    downgrade(database, "0002")
    assert inspect(database).get_table_names("workcast") == ["alembic_version"]
    downgrade(database, "base")
    assert "workflow" not in inspect(database).get_schema_names()
    migrate(database)
    assert differences(database) == []


def test_tables_of_others_are_left_alone(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE public.experiments (id int)"))
    assert differences(database) == []
    downgrade(database, "base")
    assert inspect(database).get_table_names("public") == ["experiments"]


def test_an_unreachable_database_is_named_without_its_password() -> None:
    engine = create_engine("postgresql+psycopg://me:secret@127.0.0.1:1/nowhere")
    with pytest.raises(SourceError, match="nowhere") as caught:
        migrate(engine)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("table", ["workflow.task_events", "workcast.audit_log"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET recorded_at = now()", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_the_truth_is_append_only(database: Engine, table: str, statement: str) -> None:
    moment = "happened_at" if table.endswith("audit_log") else "recorded_at"
    change = statement.replace("recorded_at", moment).format(table)
    with pytest.raises(DBAPIError, match="append-only"), database.begin() as connection:
        connection.execute(text(change))
