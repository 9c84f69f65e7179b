"""Bring every answer to the table `predictions`, off the request's path."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL

from pipelines.monitoring.batch_log import BatchLog
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.monitoring.spill import Spill
from pipelines.source.platform_tables import predictions


class PredictionLog(BatchLog[LoggedPrediction]):
    """The log of what was answered; a row's key is its prediction_id."""

    def __init__(self, database: URL, spill: Path, **pace: Any) -> None:
        super().__init__(
            database, predictions, Spill(spill, LoggedPrediction), "predictions", **pace
        )
