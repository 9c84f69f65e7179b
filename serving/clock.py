"""The clock of the answers: how far the features have come, never the wall clock.

The last moment is kept in a small file, for a start while the database is away.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

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
    """Keep the watermark of the features at hand, read in the background.

    `kept` is the file of the last moment; all workers of a home share it.
    """

    def __init__(self, engine: Engine, kept: Path | None = None, seconds: float = 2.0) -> None:
        self._engine = engine
        self._kept = kept
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
            last = self._from_disk() if self._reading is None else self._reading.as_of
            self._reading = None if last is None else ClockReading(last, is_stale=True)
            return
        before = self._reading
        if watermark is None:
            self._missing = "no features have been built yet; run the DAG build_features"
            self._reading = None
        else:
            self._reading = ClockReading(watermark, is_stale=False)
        if before is None or before.as_of != watermark:
            self._keep(watermark)

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

    def _from_disk(self) -> datetime | None:
        """Return the moment that was kept; None where there is none that can be read."""
        if self._kept is None:
            return None
        try:
            kept = datetime.fromisoformat(self._kept.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        if kept.tzinfo is None:
            return None
        logger.warning("The clock of the features goes on from %s, as kept on the disk", kept)
        return kept.astimezone(UTC)

    def _keep(self, moment: datetime | None) -> None:
        """Keep the moment, whole or not at all; None forgets the one that was kept."""
        if self._kept is None:
            return
        try:
            if moment is None:
                self._kept.unlink(missing_ok=True)
                return
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            aside = self._kept.with_name(f".{self._kept.name}.{uuid4().hex}")
            aside.write_text(moment.isoformat(), encoding="ascii")
            aside.replace(self._kept)
        except OSError as err:
            logger.warning("The clock of the features cannot be kept: %s", err)
