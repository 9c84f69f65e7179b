"""A watermark is per stage and is what was last said."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from pipelines.contracts import Stage
from pipelines.errors import SourceError
from pipelines.source.watermarks import get_watermark, set_watermark
from tests.source.history_files import at

pytestmark = pytest.mark.integration


def test_watermarks(database: Engine) -> None:
    assert get_watermark(database, Stage.EXTRACT) is None
    set_watermark(database, Stage.EXTRACT, at(5))
    set_watermark(database, Stage.FEATURES, at(3))
    set_watermark(database, Stage.EXTRACT, at(4))
    assert get_watermark(database, Stage.EXTRACT) == at(4)
    found = get_watermark(database, Stage.FEATURES)
    assert found == at(3)
    assert found is not None
    assert found.tzinfo is UTC


def test_a_time_without_zone_is_refused(database: Engine) -> None:
    with pytest.raises(SourceError, match="time zone"):
        set_watermark(database, Stage.EXTRACT, datetime(2024, 1, 1))  # noqa: DTZ001
