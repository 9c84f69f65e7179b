"""`workcast compare` on a real database and lake; only the registry's answer is given."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import Engine

from pipelines.contracts import Model, Stage
from pipelines.jobs import comparison
from pipelines.jobs.comparison import compare_model
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.settings import Settings
from pipelines.source.watermarks import set_watermark
from tests.integration.test_monitoring_outcomes import DAY, START, answered, lake

__all__ = ["lake"]
pytestmark = pytest.mark.integration


def test_versions_are_compared_on_what_is_known_at_the_watermark(
    settings: Settings, database: Engine, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = SimpleNamespace(predictor=SimpleNamespace(facts={"test_start": "2016-03-01 00:00"}))
    monkeypatch.setattr(comparison, "load_champion", lambda *_: champion)
    set_watermark(database, Stage.FEATURES, START + 8 * DAY)
    shown = answered(Model.REMAINING_TIME, {"remaining_time_s": 86_400.0})
    log = PredictionLog(database.url, lake / "spill").start()
    log.add([replace(p, variant="champion", propensity=1.0) for p in shown])
    log.add(
        [
            replace(
                p,
                prediction_id=UUID(int=100 + i),
                variant="shadow",
                propensity=0.0,
                model_version="2",
                output={"remaining_time_s": 2 * 86_400.0},
            )
            for i, p in enumerate(shown)
        ]
    )
    log.close()
    settings = settings.model_copy(update={"lake_url": str(lake)})

    first, second = compare_model(settings, Model.REMAINING_TIME, None, None)

    # What really remained: two days and four; of the others the end is not known.
    assert (first.variant, first.answer_count, first.known_workflow_count) == ("champion", 5, 2)
    assert first.loss == pytest.approx((24 + 72) / 2)
    assert (second.variant, second.model_version) == ("shadow", "2")
    assert second.loss == pytest.approx((0 + 48) / 2)
    assert second.difference == pytest.approx(-24)
    later = START + timedelta(days=3)
    assert compare_model(settings, Model.REMAINING_TIME, later, None) == []
