"""A PostgreSQL server that hangs, and the parts of the service that ask it."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, select

from pipelines.contracts import Stage
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.settings import Settings
from pipelines.source.migrate import migrate
from pipelines.source.platform_tables import predictions
from pipelines.source.watermarks import set_watermark
from serving.acknowledge import Acknowledgement, UnknownAlertError, acknowledge
from serving.alerts import AlertBoard, AlertsAwayError, Wanted
from serving.clock import ClockReading, FeatureClock
from serving.examples import Examples
from serving.runtime import Runtime, _engine, _reading_engine
from serving.source_reads import SourceReads
from tests.integration.own_postgres import OwnPostgres, hanging, own_postgres
from tests.integration.serving_stack import until
from tests.integration.test_monitoring_prediction_log import prediction

pytestmark = pytest.mark.integration

MOMENT = datetime(2016, 4, 1, tzinfo=UTC)
NOT_FOR_EVER_S = 30  # a ping of 4 s and a connection of 3 s, on a machine that may be busy
ON_DISK_S = 10  # 2 s would do


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as server:
        engine = create_engine(server.url)
        migrate(engine)
        engine.dispose()
        yield server


@pytest.fixture
def engine(server: OwnPostgres, tmp_path: Path) -> Iterator[Engine]:
    engine = _engine(settings(server, tmp_path), pool_pre_ping=True)
    yield engine
    engine.dispose()


def settings(server: OwnPostgres, home: Path) -> Settings:
    url = server.url.render_as_string(hide_password=False)
    return Settings(home=home, database_url=url, _env_file=None)


def timed(look: Callable[[], Any]) -> float:
    began = time.monotonic()
    look()
    return time.monotonic() - began


def test_the_clock_becomes_stale_and_goes_on(server: OwnPostgres, engine: Engine) -> None:
    set_watermark(engine, Stage.FEATURES, MOMENT)
    clock = FeatureClock(engine)
    clock.refresh()
    with hanging(server):
        assert timed(clock.refresh) < NOT_FOR_EVER_S
        assert clock.read() == ClockReading(MOMENT, is_stale=True)
    clock.refresh()
    assert clock.read() == ClockReading(MOMENT, is_stale=False)


def test_the_alerts_become_stale_and_nothing_is_acknowledged(
    server: OwnPostgres, engine: Engine
) -> None:
    board = AlertBoard(engine)
    runtime = cast(
        "Runtime", SimpleNamespace(engine=engine, alerts=board, source=SourceReads(engine))
    )
    given = Acknowledgement(alert_id=str(uuid4()), by="ann")

    def refused() -> None:
        with pytest.raises(AlertsAwayError, match="nothing has been noted"):
            acknowledge(runtime, given)

    board.look()
    with hanging(server):
        assert timed(refused) < NOT_FOR_EVER_S
        assert timed(board.look) < NOT_FOR_EVER_S
        assert board.show(Wanted()).is_stale
    board.look()
    assert not board.show(Wanted()).is_stale
    with pytest.raises(UnknownAlertError):
        acknowledge(runtime, given)


def test_there_are_no_examples_meanwhile(server: OwnPostgres, engine: Engine) -> None:
    examples = Examples(engine)
    engine.connect().close()  # so that there is a connection that hangs
    with hanging(server):
        assert timed(lambda: examples.at(MOMENT)) < NOT_FOR_EVER_S


def test_both_engines_of_the_service_give_up(server: OwnPostgres, tmp_path: Path) -> None:
    reading = _reading_engine(settings(server, tmp_path))
    clock = FeatureClock(reading)
    clock.refresh()
    with hanging(server):
        assert timed(clock.refresh) < NOT_FOR_EVER_S
    reading.dispose()


def test_what_is_logged_is_on_the_disk_soon_and_in_the_table_afterwards(
    server: OwnPostgres, engine: Engine, tmp_path: Path
) -> None:
    log = PredictionLog(server.url, tmp_path).start()
    asked = [prediction(number) for number in range(30)]

    def kept() -> bool:
        return log.counts.spilled_count + log.counts.written_count == len(asked)

    log.add(asked[:10])
    until(lambda: log.counts.written_count == 10)  # so the thread has a connection
    with hanging(server):
        log.add(asked[10:20])
        until(lambda: log.counts.spilled_count == 10, ON_DISK_S)
        assert log.is_away
        # The connection is known to be of no use: nobody waits for another one.
        log.add(asked[20:])
        until(kept, ON_DISK_S)
        on_disk = [one for path in log._spill.waiting() for one in log._spill.read(path)]
        assert {one.prediction_id for one in on_disk} == {p.prediction_id for p in asked[10:]}
    until(lambda: log.counts.waiting_file_count == 0)
    until(lambda: not log.is_away)
    log.close()

    with engine.connect() as connection:
        stored = list(connection.scalars(select(predictions.c.prediction_id)))
    ids = {one.prediction_id for one in asked}
    assert sorted(one for one in stored if one in ids) == sorted(ids)
    assert log.counts.lost_count == 0


def test_a_log_that_ends_meanwhile_leaves_everything_on_the_disk(
    server: OwnPostgres, tmp_path: Path
) -> None:
    log = PredictionLog(server.url, tmp_path).start()
    asked = [prediction(number) for number in range(3)]
    log.add(asked[:1])
    until(lambda: log.counts.written_count == 1)
    with hanging(server):
        log.add(asked[1:])
        assert timed(log.close) < NOT_FOR_EVER_S
        (path,) = log._spill.waiting()
        assert log._spill.read(path) == asked[1:]
