import psycopg
import pytest
from sqlalchemy import URL

from pipelines.errors import PlatformError
from pipelines.platform.owners import ensure_owned_database
from pipelines.source.connect import connect

NAME = "owned_by_ada"


def read(admin: URL, query: str, *values: str) -> tuple[object, ...]:
    with connect(admin) as connection:
        row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return tuple(row)


def test_owner_and_database_are_made_once_and_a_new_password_is_set(postgres_url: URL) -> None:
    url = postgres_url.set(username="ada", password="first", database=NAME)  # noqa: S106
    ensure_owned_database(postgres_url, url)
    digest = "SELECT rolpassword FROM pg_authid WHERE rolname = 'ada'"
    (first,) = read(postgres_url, digest)
    assert str(first).startswith("SCRAM-SHA-256$")

    with connect(postgres_url, NAME) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    ensure_owned_database(postgres_url, url.set(password="second"))  # noqa: S106
    (second,) = read(postgres_url, digest)
    assert second != first
    assert read(postgres_url.set(database=NAME), "SELECT count(*) FROM kept") == (0,)

    facts = "SELECT pg_get_userbyid(datdba), rolsuper, rolcreatedb FROM pg_database, pg_roles "
    facts += "WHERE datname = %s AND rolname = 'ada'"
    assert read(postgres_url, facts, NAME) == ("ada", False, False)


def test_nobody_else_may_connect(postgres_url: URL) -> None:
    for owner in ("ben", "cleo"):
        url = postgres_url.set(username=owner, password="x", database=f"of_{owner}")  # noqa: S106
        ensure_owned_database(postgres_url, url)
    may = "SELECT has_database_privilege(%s, %s, 'CONNECT')"
    assert read(postgres_url, may, "ben", "of_ben") == (True,)
    assert read(postgres_url, may, "ben", "of_cleo") == (False,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(postgres_url.set(username="ben", database="of_cleo"))


def test_a_url_without_an_owner_is_refused_without_showing_the_password(postgres_url: URL) -> None:
    url = URL.create("postgresql", username="ada", host="db", database="x")
    with pytest.raises(PlatformError, match="must name user, password and database"):
        ensure_owned_database(postgres_url, url)
