from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from pipelines.contracts import Stage
from pipelines.source.watermarks import set_watermark
from serving.clock import ClockReading, FeatureClock
from serving.problems import FeaturesAwayError

pytestmark = pytest.mark.integration

MOMENT = datetime(2016, 4, 1, tzinfo=UTC)
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/x"


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


def test_starts_from_the_disk_while_the_database_is_away(database: Engine, tmp_path: Path) -> None:
    kept = tmp_path / "home" / "clock"
    set_watermark(database, Stage.FEATURES, MOMENT)
    FeatureClock(database, kept).refresh()

    started = FeatureClock(create_engine(NOWHERE), kept)
    started.refresh()
    assert started.read() == ClockReading(MOMENT, is_stale=True)
    assert [path.name for path in kept.parent.iterdir()] == ["clock"]


@pytest.mark.parametrize("text", ["", "yesterday", "2016-04-01T00:00:00", "\x00"])
def test_what_is_no_moment_is_not_started_from(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    clock = FeatureClock(create_engine(NOWHERE), tmp_path / "clock")
    clock.refresh()
    with pytest.raises(FeaturesAwayError, match="the database cannot be reached"):
        clock.read()


def test_a_moment_that_is_gone_is_forgotten(database: Engine, tmp_path: Path) -> None:
    kept = tmp_path / "clock"
    kept.write_text(MOMENT.isoformat())
    FeatureClock(database, kept).refresh()
    assert not kept.exists()


def test_a_disk_that_takes_nothing_stops_nothing(database: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    set_watermark(database, Stage.FEATURES, MOMENT)
    clock = FeatureClock(database, tmp_path / "file" / "clock")
    clock.refresh()
    assert clock.read() == ClockReading(MOMENT, is_stale=False)


def test_without_a_database_there_is_no_moment() -> None:
    clock = FeatureClock(create_engine(NOWHERE))
    clock.refresh()
    with pytest.raises(FeaturesAwayError, match="the database cannot be reached"):
        clock.read()
