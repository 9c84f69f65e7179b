from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine, text

from pipelines.contracts import Stage
from pipelines.source.watermarks import set_watermark
from serving.clock import ClockReading, FeatureClock
from serving.problems import FeaturesAwayError

pytestmark = pytest.mark.integration

MOMENT = datetime(2016, 4, 1, tzinfo=UTC)


def test_tells_the_watermark_of_the_features_and_follows_it(database: Engine) -> None:
    clock = FeatureClock(database)
    with pytest.raises(FeaturesAwayError, match="has not been read yet"):
        clock.read()
    clock.refresh()
    with pytest.raises(FeaturesAwayError, match="run the DAG build_features"):
        clock.read()
    set_watermark(database, Stage.EXTRACT, datetime(2020, 1, 1, tzinfo=UTC))
    for moment in (MOMENT, MOMENT.replace(month=5)):
        set_watermark(database, Stage.FEATURES, moment)
        clock.refresh()
        assert clock.read() == ClockReading(moment, is_stale=False)
    assert clock.missing is None


def test_keeps_the_last_moment_while_the_database_is_away(database: Engine) -> None:
    set_watermark(database, Stage.FEATURES, MOMENT)
    clock = FeatureClock(database)
    clock.refresh()
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.watermarks RENAME TO elsewhere"))
    clock.refresh()
    assert clock.read() == ClockReading(MOMENT, is_stale=True)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.elsewhere RENAME TO watermarks"))
    clock.refresh()
    assert clock.read() == ClockReading(MOMENT, is_stale=False)


def test_without_a_database_there_is_no_moment() -> None:
    clock = FeatureClock(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x"))
    clock.refresh()
    with pytest.raises(FeaturesAwayError, match="the database cannot be reached"):
        clock.read()
