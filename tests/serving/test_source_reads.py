"""A source database that hangs, goes and comes back, and who asks it meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from sqlalchemy import create_engine, literal, select, text

from serving.problems import HistoryAwayError
from serving.source_reads import SourceReads
from tests.integration.own_postgres import OwnPostgres, own_postgres
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
    engine = create_engine(
        server.url,
        pool_size=2,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        connect_args={"connect_timeout": 2, "options": "-c statement_timeout=300"},
    )
    reads = SourceReads(engine, ANSWER_S, probe_seconds=0.1)
    reads.start()
    yield reads
    reads.close()


@contextmanager
def hanging(server: OwnPostgres) -> Iterator[None]:
    """Stop all its processes for a while; it accepts connections and says nothing."""
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    stopped = [main, *main.children(recursive=True)]
    for one in stopped:
        one.suspend()
    try:
        yield
    finally:
        for one in stopped:
            one.resume()


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
