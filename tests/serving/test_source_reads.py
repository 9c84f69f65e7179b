"""A source database that hangs, goes and comes back, and who asks it meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, literal, select, text

from pipelines.source.connect import connect, open_limited_engine
from serving.problems import HistoryAwayError
from serving.source_reads import SourceReads
from tests.integration.own_postgres import OwnPostgres, hanging, own_postgres
from tests.integration.serving_stack import until

pytestmark = pytest.mark.integration

ONE = select(literal(1).label("one"))
ANSWER_S = 1.0


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def reads(server: OwnPostgres) -> Iterator[SourceReads]:
    engine = open_limited_engine(
        server.url,
        ANSWER_S,
        pool_size=2,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        connect_args={"connect_timeout": 2, "options": "-c statement_timeout=300"},
    )
    reads = SourceReads(engine, probe_seconds=0.1)
    reads.start()
    yield reads
    reads.close()


def timed(reads: SourceReads) -> float:
    """Ask a database that is away; return the seconds until that was said."""
    began = time.monotonic()
    with pytest.raises(HistoryAwayError, match="ask again in a few seconds"):
        reads.rows(ONE, {})
    return time.monotonic() - began


def answers(reads: SourceReads) -> bool:
    try:
        return reads.rows(ONE, {}) == [{"one": 1}]
    except HistoryAwayError:
        return False


def test_who_asks_a_database_that_hangs_is_let_go_and_nobody_asks_again(
    reads: SourceReads, server: OwnPostgres
) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: answers(reads), range(4)))  # two connections are open
        with hanging(server):
            took_s = list(pool.map(lambda _: timed(reads), range(2)))
            assert ANSWER_S < min(took_s) <= max(took_s) < 2 * ANSWER_S
            assert reads.is_away
            assert timed(reads) < 0.1
    until(lambda: answers(reads), 30)
    assert not reads.is_away


def test_who_finds_the_connection_cut_off_asks_once_more(
    reads: SourceReads, server: OwnPostgres
) -> None:
    pid = func.pg_backend_pid().label("pid")
    (before,) = reads.rows(select(pid), {})
    with connect(server.url) as other:
        other.execute("SELECT pg_terminate_backend(%(pid)s, 10000)", before)
    (after,) = reads.rows(select(pid), {})
    assert after != before
    assert not reads.is_away


def test_a_database_that_stops_and_starts_is_found_again(
    reads: SourceReads, server: OwnPostgres
) -> None:
    assert answers(reads)
    server.stop()
    timed(reads)
    assert reads.is_away
    server.start()
    until(lambda: not reads.is_away, 30)
    assert answers(reads)


def test_a_statement_that_takes_too_long_or_fails_is_no_database_away(reads: SourceReads) -> None:
    for statement in (text("SELECT pg_sleep(5)"), text("SELECT nothing_of_the_kind")):
        with pytest.raises(HistoryAwayError):
            reads.rows(statement, {})
        assert not reads.is_away
        assert answers(reads)
