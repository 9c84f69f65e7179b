"""The features of running workflows, as the online store has them at the clock's moment."""

import gc
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from pipelines.contracts import FeatureView, Model
from pipelines.errors import FeatureStoreError
from pipelines.features.request_time import REQUEST_TIME_COLUMNS, moments, request_time
from pipelines.features.views import qualified
from pipelines.store.online_rows import ServiceRows
from serving.clock import FeatureClock
from serving.poller import Poller
from serving.problems import FeaturesAwayError

logger = logging.getLogger(__name__)

_PROBE: Final = "no workflow is called this"
_TIMES: Final = tuple(
    qualified(FeatureView.WORKFLOW_PROGRESS, name)
    for name in ("opened_at", "due_at", "last_event_at")
)
_REQUEST_TIME_TYPES: Final = {column.name: column.dtype for column in REQUEST_TIME_COLUMNS}
REQUEST_TIME_NAMES: Final = frozenset(_REQUEST_TIME_TYPES)


class Reads(Protocol):
    """What is needed of the online store."""

    def read(self, workflow_ids: Sequence[str], service: str, as_of: datetime) -> ServiceRows:
        """Return one row for each id, in their order."""


class OnlineFeatures:
    """Read features and complete them with those of the moment of asking."""

    def __init__(self, reader: Reads, clock: FeatureClock, seconds: float = 2.0) -> None:
        self._reader = reader
        self._clock = clock
        self._missing: str | None = "the online store has not been asked yet"
        self._poller = Poller("online-store-probe", self.probe, seconds)

    def start(self) -> None:
        """Start asking now and then whether the online store answers."""
        self._poller.start()

    def stop(self) -> None:
        """Stop asking."""
        self._poller.stop()

    @property
    def missing(self) -> str | None:
        """Why features cannot be read, or None."""
        return self._missing

    def probe(self) -> None:
        """Ask for a workflow that does not exist."""
        try:
            self._reader.read([_PROBE], Model.REMAINING_TIME.value, datetime.now(UTC))
        except FeatureStoreError as err:
            if self._missing is None:
                logger.warning("Features cannot be read: %s", err)
            self._missing = str(err)
            # A refused connection leaves megabytes in few objects, and the collector, tamed for
            # the answers' sake, counts objects. Nobody can be answered now, so nobody waits.
            gc.collect()
        else:
            self._missing = None

    def read(self, workflow_ids: Sequence[str], model: Model) -> ServiceRows:
        """Read one row for each id: what `OnlineReader.read` gives, and request-time features.

        `as_of` is the clock's moment. Where a workflow's features are younger than the clock
        (the moment between writing them and moving it), it is their moment: nothing is
        answered about a time before what the answer rests on.

        Raises:
            FeaturesAwayError: there is no clock, or the online store does not answer.
        """
        as_of = self._clock.read().as_of
        # Only the probe waits for a store that is away or hangs.
        if self._missing is not None:
            raise FeaturesAwayError(f"Features cannot be read: {self._missing}")
        try:
            rows = self._reader.read(workflow_ids, model.value, as_of)
        except FeatureStoreError as err:
            self._missing = str(err)
            raise FeaturesAwayError(f"Features cannot be read: {err}") from err
        known_at = rows.columns["features_known_at"]
        asked_at = [max(as_of, known) if known else as_of for known in known_at]
        times = (asked_at, *(rows.columns[name] for name in _TIMES))
        features = request_time(*map(moments, times))
        return rows.with_columns(
            {"as_of": asked_at, **{name: values.tolist() for name, values in features.items()}},
            _REQUEST_TIME_TYPES,
        )
