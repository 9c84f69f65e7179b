from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from pipelines.contracts import Model
from pipelines.errors import MonitoringError
from pipelines.features.history import SCHEMAS, HistoryTable
from pipelines.jobs.drift import _newest
from pipelines.monitoring.outcomes import join_outcomes, read_outcomes, read_predictions
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.monitoring.prediction_log import PredictionLog

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)
START = datetime(2016, 3, 1, tzinfo=UTC)


def write(lake: Path, table: HistoryTable, rows: list[dict[str, Any]]) -> None:
    folder = lake / "history" / table.value / "interval=2016-03-01"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[table]), folder / "part.parquet")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    opened = [
        {"workflow_id": name, "opened_at": START, "recorded_at": START, "attributes": "{}",
         "due_at": START + 5 * DAY}
        for name in ("in time", "late", "open", "not known yet")
    ]  # fmt: skip
    closed = [
        {"workflow_id": name, "closed_at": START + days * DAY, "recorded_at": START + days * DAY}
        for name, days in (("in time", 4), ("late", 6), ("not known yet", 9))
    ]
    write(tmp_path, HistoryTable.WORKFLOWS, opened)
    write(tmp_path, HistoryTable.WORKFLOW_CLOSURES, closed)
    # Beyond its due date, the one recorded in time and the other not.
    happened = [
        {"event_id": name, "workflow_id": name, "task_id": "t", "sequence": 1, "activity": "a",
         "transition": "completed", "attributes": "{}", "occurred_at": START + 6 * DAY,
         "recorded_at": START + days * DAY}
        for name, days in (("not known yet", 7), ("open", 9))
    ]  # fmt: skip
    write(tmp_path, HistoryTable.TASK_EVENTS, happened)
    return tmp_path


def answered(model: Model, output: dict[str, float]) -> list[LoggedPrediction]:
    names = ["in time", "late", "open", "not known yet", "never seen"]
    return [
        LoggedPrediction(
            prediction_id=UUID(int=number),
            model_name=model.value,
            model_version="1",
            model_alias="champion",
            workflow_id=name,
            as_of=START + 2 * DAY,
            features_known_at=START,
            requested_at=START + 2 * DAY,
            latency_ms=1.0,
            inputs={},
            features={},
            output=output,
        )
        for number, name in enumerate(names)
    ]


def joined(database: Engine, lake: Path, model: Model, output: dict[str, float]) -> pd.DataFrame:
    log = PredictionLog(database.url, lake / "spill").start()
    log.add(answered(model, output))
    log.close()
    rows = read_predictions(database, model, START, START + 3 * DAY)
    outcomes = read_outcomes(str(lake), START + 8 * DAY, 0.8, START + 8 * DAY)
    return join_outcomes(rows, outcomes, model)


def test_remaining_time_beside_what_happened(database: Engine, lake: Path) -> None:
    frame = joined(database, lake, Model.REMAINING_TIME, {"remaining_time_s": 86_400.0})

    assert frame["predicted"].tolist() == [86_400.0] * 5
    np.testing.assert_array_equal(
        frame["actual"], [2 * 86_400.0, 4 * 86_400.0, np.nan, np.nan, np.nan]
    )


def test_lateness_beside_what_happened(database: Engine, lake: Path) -> None:
    frame = joined(database, lake, Model.DELAY_RISK, {"late_probability": 0.25})

    # That the fourth would be late was known before that it had ended.
    np.testing.assert_array_equal(frame["actual"], [0.0, 1.0, np.nan, 1.0, np.nan])
    # Who asks when it is late already hears no prediction.
    later = frame.assign(as_of=[START + days * DAY for days in (3, 5.1, 6, 5, 6)])
    outcomes = read_outcomes(str(lake), START + 8 * DAY, 0.8, START + 8 * DAY)
    again = join_outcomes(later, outcomes, Model.DELAY_RISK)
    np.testing.assert_array_equal(again["actual"], [0.0, np.nan, np.nan, 1.0, np.nan])


def test_interval_is_half_open_and_of_one_model(database: Engine, lake: Path) -> None:
    joined(database, lake, Model.REMAINING_TIME, {"remaining_time_s": 1.0})
    asked = START + 2 * DAY

    assert len(read_predictions(database, Model.REMAINING_TIME, asked, asked + DAY)) == 5
    assert read_predictions(database, Model.REMAINING_TIME, START, asked).empty
    assert read_predictions(database, Model.DELAY_RISK, START, asked + DAY).empty


def test_answer_without_its_figure_is_named(database: Engine, lake: Path) -> None:
    with pytest.raises(MonitoringError, match=f"{UUID(int=0)} has no remaining_time_s"):
        joined(database, lake, Model.REMAINING_TIME, {"late_probability": 0.2})


def test_lake_without_history_gives_no_outcomes(tmp_path: Path) -> None:
    assert read_outcomes(str(tmp_path), START, 0.8, START).empty


def test_shadows_are_no_answers_but_can_be_asked_for(database: Engine, lake: Path) -> None:
    output = {"remaining_time_s": 1.0}
    shown, shadow, older, *_ = answered(Model.REMAINING_TIME, output)
    log = PredictionLog(database.url, lake / "spill").start()
    log.add(
        [
            replace(shown, variant="champion", propensity=1.0),
            replace(shadow, variant="shadow", propensity=0.0),
            older,
        ]
    )
    log.close()
    period = (START, START + 3 * DAY)

    read = read_predictions(database, Model.REMAINING_TIME, *period)
    whole = read_predictions(database, Model.REMAINING_TIME, *period, with_shadows=True)

    assert read["workflow_id"].tolist() == ["in time", "open"]
    assert whole["variant"].tolist() == ["champion", "shadow", None]
    assert whole["propensity"].tolist()[:2] == [1.0, 0.0]


def test_what_would_be_is_never_compared_with_what_happened(database: Engine, lake: Path) -> None:
    real, what_if, *_ = answered(Model.REMAINING_TIME, {"remaining_time_s": 1.0})
    log = PredictionLog(database.url, lake / "spill").start()
    log.add([replace(real, variant="champion"), replace(what_if, variant="what_if")])
    log.close()

    for with_shadows in (False, True):
        read = read_predictions(
            database, Model.REMAINING_TIME, START, START + 3 * DAY, with_shadows=with_shadows
        )
        assert read["variant"].tolist() == ["champion"]
    assert _newest(database)["variant"].tolist() == ["champion"]


def test_answers_given_again_have_the_features_of_the_first(database: Engine, lake: Path) -> None:
    first, again, *_ = answered(Model.REMAINING_TIME, {"remaining_time_s": 1.0})
    log = PredictionLog(database.url, lake / "spill").start()
    log.add(
        [
            replace(again, cached_from=first.prediction_id),
            replace(first, features={"event_count": 4}),
        ]
    )
    log.close()

    read = read_predictions(database, Model.REMAINING_TIME, START, START + 3 * DAY)

    assert read["features"].tolist() == [{"event_count": 4}] * 2
    assert read["prediction_id"].nunique() == 2
