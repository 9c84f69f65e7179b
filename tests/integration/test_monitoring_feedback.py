import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, text

from pipelines.monitoring.feedback import Feedback, FeedbackLog, Verdict
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.source.platform_tables import feedback, predictions
from tests.integration.test_monitoring_prediction_log import prediction

pytestmark = pytest.mark.integration

PACE: dict[str, Any] = {"flush_seconds": 0.02, "retry_seconds": 0.05}


def said(kind: Verdict = Verdict.ACCEPTED, **changes: Any) -> Feedback:
    now = datetime.now(UTC)
    return replace(Feedback(uuid4(), uuid4(), kind, {}, "ann", now), **changes)


def stored(database: Engine) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(select(feedback))]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_join_tells_which_advice_was_followed(database: Engine, tmp_path: Path) -> None:
    asked = [prediction(number) for number in range(3)]
    ids = [each.prediction_id for each in asked]
    log = FeedbackLog(database.url, tmp_path / "feedback", **PACE).start()
    log.add([said(Verdict.ACCEPTED, prediction_id=ids[0])])
    chosen = said(Verdict.OVERRIDDEN, prediction_id=ids[1], content={"chosen": "bob"})
    log.add([chosen, said(Verdict.REJECTED)])  # the last about nothing that was ever asked
    log.close()
    # Feedback may be faster than the prediction it is about.
    assert (log.counts.written_count, log.counts.refused_count) == (3, 0)
    late = PredictionLog(database.url, tmp_path / "predictions").start()
    late.add(asked)
    late.close()

    query = (
        select(predictions.c.workflow_id, feedback.c.kind, feedback.c.content["chosen"].astext)
        .join(feedback, predictions.c.prediction_id == feedback.c.prediction_id, isouter=True)
        .order_by(predictions.c.workflow_id)
    )
    with database.connect() as connection:
        followed = [tuple(row) for row in connection.execute(query)]
    assert followed == [("W0", "accepted", None), ("W1", "overridden", "bob"), ("W2", None, None)]


def test_the_first_of_an_id_stays(database: Engine, tmp_path: Path) -> None:
    first = said()
    log = FeedbackLog(database.url, tmp_path, **PACE).start()
    log.add([first, first])
    log.add([replace(first, kind=Verdict.REJECTED)])
    log.close()

    assert stored(database) == [first.row()]


def test_without_the_database_it_waits_on_disk(database: Engine, tmp_path: Path) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.feedback RENAME TO elsewhere"))
    given = said(Verdict.OVERRIDDEN, content={"chosen": "bob", "reason": "ann is away\n☕"})
    log = FeedbackLog(database.url, tmp_path, **PACE).start()
    log.add([given])
    until(lambda: log.counts.waiting_file_count == 1)
    log.close()

    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.elsewhere RENAME TO feedback"))
    again = FeedbackLog(database.url, tmp_path, **PACE).start()  # a new process
    until(lambda: again.counts.waiting_file_count == 0)
    again.close()
    assert stored(database) == [given.row()]
