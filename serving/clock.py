"""The clock of the answers: how far the features have come, never the wall clock."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import Stage
from pipelines.source.watermarks import get_watermark
from serving.poller import Poller
from serving.problems import FeaturesAwayError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClockReading:
    """The moment answers speak about; stale when the database could not be asked lately."""

    as_of: datetime
    is_stale: bool


class FeatureClock:
    """Keep the watermark of the features at hand, read in the background."""

    def __init__(self, engine: Engine, seconds: float = 2.0) -> None:
        self._engine = engine
        self._reading: ClockReading | None = None
        self._missing = "the clock of the features has not been read yet"
        self._poller = Poller("feature-clock", self.refresh, seconds)

    def start(self) -> None:
        """Start reading."""
        self._poller.start()

    def stop(self) -> None:
        """Stop reading."""
        self._poller.stop()

    def refresh(self) -> None:
        """Read the watermark; without the database the last one stays, as a stale one."""
        try:
            watermark = get_watermark(self._engine, Stage.FEATURES)
        except SQLAlchemyError as err:
            if self._reading is None or not self._reading.is_stale:
                logger.warning("The clock of the features cannot be read: %s", err)
            self._missing = "the database cannot be reached"
            if self._reading is not None:
                self._reading = ClockReading(self._reading.as_of, is_stale=True)
            return
        if watermark is None:
            self._missing = "no features have been built yet; run the DAG build_features"
            self._reading = None
        else:
            self._reading = ClockReading(watermark.astimezone(UTC), is_stale=False)

    @property
    def missing(self) -> str | None:
        """Why the clock cannot be told, or None."""
        return self._missing if self._reading is None else None

    @property
    def reading(self) -> ClockReading | None:
        """The latest reading, or None."""
        return self._reading

    def read(self) -> ClockReading:
        """Return the latest reading.

        Raises:
            FeaturesAwayError: there has been none.
        """
        reading = self._reading
        if reading is None:
            raise FeaturesAwayError(f"No answer without a clock: {self._missing}.")
        return reading
