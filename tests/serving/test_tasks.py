"""Tasks and people of the source, in a real PostgreSQL."""

import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text

from pipelines.source.tables import people, person_skills, skills
from serving.problems import HistoryAwayError
from serving.tasks import SourceHistory
from tests.serving.conftest import NOWHERE

pytestmark = pytest.mark.integration


@pytest.fixture
def history(database: Engine) -> SourceHistory:
    with database.begin() as connection:
        connection.execute(insert(skills), [{"skill_id": "law", "name": "Law"}])
        connection.execute(
            insert(people),
            [{"person_id": one, "name": one, "team_id": None} for one in ("ann", "bob")],
        )
        connection.execute(insert(person_skills), [{"person_id": "ann", "skill_id": "law"}])
    return SourceHistory(database)


def test_people_are_found_by_any_number_of_ids(history: SourceHistory) -> None:
    found = history.people(["bob", "ann", "nobody"])
    assert {one: set(person.skills) for one, person in found.items()} == {
        "ann": {"law"},
        "bob": set(),
    }
    assert (history.people(["nobody"]), history.people([]), history.tasks([])) == ({}, {}, {})


def test_a_connection_that_was_cut_off_costs_no_answer(
    history: SourceHistory, database: Engine
) -> None:
    assert set(history.people(["ann"])) == {"ann"}
    others = create_engine(database.url)
    with others.begin() as connection:
        ended = connection.scalars(
            select(func.pg_terminate_backend(text("pid")))
            .select_from(text("pg_stat_activity"))
            .where(text("datname = current_database() AND pid <> pg_backend_pid()"))
        ).all()
    others.dispose()
    assert any(ended)
    assert set(history.people(["ann"])) == {"ann"}


def test_a_database_that_is_away_is_said() -> None:
    with pytest.raises(HistoryAwayError, match="ask again"):
        SourceHistory(create_engine(NOWHERE)).people(["ann"])
