"""A connection that waits for an answer only so long, against a real server."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import OperationalError

from pipelines.source.connect import NoAnswerError, connect, open_limited_engine
from tests.integration.own_postgres import OwnPostgres, hanging, own_postgres

pytestmark = pytest.mark.integration

ANSWER_S = 0.5
NOT_FOR_EVER_S = 15
SLEEP = "SELECT pg_sleep(30)"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def connection(postgres_url: URL) -> Iterator[psycopg.Connection]:
    with connect(postgres_url, answer_s=ANSWER_S) as connection:
        yield connection


def opened(url: URL, **how: bool) -> Engine:
    return open_limited_engine(
        url, ANSWER_S, pool_size=2, connect_args={"connect_timeout": 2}, **how
    )


def one(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT 1")).scalar_one()


def copy_while_it_hangs(connection: psycopg.Connection, server: OwnPostgres, lines: str) -> None:
    with ExitStack() as until_copied, connection.cursor().copy("COPY given FROM STDIN") as copy:
        copy.write(lines)
        until_copied.enter_context(hanging(server))
        copy.write(lines)


def test_who_has_no_answer_in_time_gives_up_and_the_connection_is_closed(
    connection: psycopg.Connection,
) -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"^the server has not answered for 0\.5 s$"):
        connection.execute(SLEEP)
    assert ANSWER_S <= time.monotonic() - began < NOT_FOR_EVER_S
    assert connection.closed


def test_what_takes_shorter_is_answered_and_the_limit_is_of_each_statement(
    connection: psycopg.Connection,
) -> None:
    began = time.monotonic()
    while time.monotonic() - began < 2 * ANSWER_S:
        assert connection.execute("SELECT 1 FROM pg_sleep(0.1)").fetchall() == [(1,)]


def test_what_the_server_refuses_is_its_answer(connection: psycopg.Connection) -> None:
    connection.execute("SET statement_timeout = 100")
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(SLEEP)
    assert not connection.closed


def test_an_answer_that_comes_just_late_is_an_answer(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("SET statement_timeout = 100")
    began = time.monotonic()
    late = iter([began - NOT_FOR_EVER_S])
    monkeypatch.setattr(time, "monotonic", lambda: next(late, began))
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(SLEEP)
    assert not connection.closed


def test_a_connection_that_is_cut_off_has_not_waited(connection: psycopg.Connection) -> None:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(psycopg.OperationalError) as cut_off:
        connection.execute("SELECT 1")
    assert not isinstance(cut_off.value, NoAnswerError)


def test_a_limit_that_the_caller_sets_closes_nothing(connection: psycopg.Connection) -> None:
    assert list(connection.notifies(timeout=2 * ANSWER_S)) == []
    assert not connection.closed


def test_without_a_limit_it_waits(postgres_url: URL) -> None:
    with connect(postgres_url) as connection:
        assert connection.execute("SELECT 1 FROM pg_sleep(1)").fetchall() == [(1,)]


@pytest.mark.parametrize("row_count", [1, 100_000], ids=["one row", "more than the socket holds"])
def test_a_copy_to_a_server_that_hangs_gives_up(server: OwnPostgres, row_count: int) -> None:
    with connect(server.url, answer_s=ANSWER_S) as connection:
        connection.execute("CREATE TEMPORARY TABLE given (line text)")
        began = time.monotonic()
        with pytest.raises(NoAnswerError):
            copy_while_it_hangs(connection, server, f"{'x' * 99}\n" * row_count)
        assert time.monotonic() - began < NOT_FOR_EVER_S
        assert connection.closed


def test_to_sqlalchemy_it_is_a_disconnect_and_the_next_is_answered(postgres_url: URL) -> None:
    engine = opened(postgres_url)
    with engine.connect() as connection, pytest.raises(OperationalError) as gone:
        connection.execute(text(SLEEP))
    assert isinstance(gone.value.orig, NoAnswerError)
    assert gone.value.connection_invalidated
    assert one(engine) == 1
    engine.dispose()


def test_the_engine_keeps_what_the_url_and_the_caller_say(postgres_url: URL) -> None:
    engine = open_limited_engine(
        postgres_url.update_query_dict({"application_name": "a-test"}),
        ANSWER_S,
        isolation_level="AUTOCOMMIT",
        connect_args={"options": "-c statement_timeout=1234"},
    )
    with engine.connect() as connection:
        says = "SELECT current_setting('application_name'), current_setting('statement_timeout')"
        assert tuple(connection.execute(text(says)).one()) == ("a-test", "1234ms")
        assert connection.connection.driver_connection.autocommit
        assert connection.execute(text("""SELECT '{"a": 1}'::jsonb""")).scalar_one() == {"a": 1}
    engine.dispose()


@pytest.mark.parametrize("is_pinged", [True, False])
def test_an_engine_on_a_server_that_hangs_gives_up(server: OwnPostgres, is_pinged: bool) -> None:
    engine = opened(server.url, pool_pre_ping=is_pinged)
    assert one(engine) == 1
    with hanging(server):
        began = time.monotonic()
        with pytest.raises(OperationalError):
            one(engine)
        assert time.monotonic() - began < NOT_FOR_EVER_S
    assert one(engine) == 1
    engine.dispose()
