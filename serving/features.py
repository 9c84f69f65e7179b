"""The features of running workflows at the clock's moment: from the online store, or the lake."""

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
# What the features of the moment of asking are computed from.
TIMES: Final = tuple(
    qualified(FeatureView.WORKFLOW_PROGRESS, name)
    for name in ("opened_at", "due_at", "last_event_at")
)
_REQUEST_TIME_TYPES: Final = {column.name: column.dtype for column in REQUEST_TIME_COLUMNS}
REQUEST_TIME_NAMES: Final = frozenset(_REQUEST_TIME_TYPES)


class Reads(Protocol):
    """What is needed of the online store."""

    def read(self, workflow_ids: Sequence[str], service: str, as_of: datetime) -> ServiceRows:
        """Return one row for each id, in their order."""


@dataclass(frozen=True)
class Fallback:
    """Rows from elsewhere than the online store."""

    rows: ServiceRows
    as_of: datetime
    is_partial: bool  # a workflow that is not in it may still exist


class FallsBack(Protocol):
    """What is needed of the copy from the lake."""

    @property
    def is_there(self) -> bool:
        """Whether there is a copy."""

    def read(self, workflow_ids: Sequence[str], service: str) -> Fallback | None:
        """Return one row for each id, in their order; None where there is no copy."""


@dataclass(frozen=True)
class FeatureRead:
    """One row for each id, and what is not as it should be."""

    rows: ServiceRows
    degraded_because: str | None = None
    is_partial: bool = False


class OnlineFeatures:
    """Read features and complete them with those of the moment of asking.

    A read that fails opens the circuit: until the probe finds the store again nobody asks it.
    """

    def __init__(
        self,
        reader: Reads,
        clock: FeatureClock,
        fallback: FallsBack | None = None,
        seconds: float = 2.0,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._fallback = fallback
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
        """Why the online store cannot be read, or None."""
        return self._missing

    @property
    def has_fallback(self) -> bool:
        """Whether questions can be answered without the online store."""
        return self._fallback is not None and self._fallback.is_there

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

    def read(self, workflow_ids: Sequence[str], model: Model) -> FeatureRead:
        """Read one row for each id: what `OnlineReader.read` gives, and request-time features.

        `as_of` is the clock's moment. Where a workflow's features are younger than the clock
        (the moment between writing them and moving it), it is their moment: nothing is
        answered about a time before what the answer rests on. From the lake, it is the moment
        of the copy.

        Raises:
            FeaturesAwayError: there is no clock, or neither the online store nor the copy from
                the lake can be read.
        """
        as_of = self._clock.read().as_of
        if self._missing is None:  # only the probe waits for a store that is away or hangs
            try:
                rows = self._reader.read(workflow_ids, model.value, as_of)
            except FeatureStoreError as err:
                logger.warning("Features cannot be read: %s", err)
                self._missing = str(err)
            else:
                return FeatureRead(completed(rows, as_of))
        fallback = self._fallback
        found = None if fallback is None else fallback.read(workflow_ids, model.value)
        if found is None:
            raise FeaturesAwayError(f"Features cannot be read: {self._missing}")
        return fallen_back(found)


def fallen_back(found: Fallback) -> FeatureRead:
    """Complete rows of the copy, and say that they are no better."""
    return FeatureRead(
        completed(found.rows, found.as_of),
        f"the online store has no answer: features from the lake, as known at "
        f"{found.as_of.isoformat()}",
        found.is_partial,
    )


def completed(rows: ServiceRows, as_of: datetime) -> ServiceRows:
    """Add the features of the moment of asking, which is not before what is known."""
    known_at = rows.columns["features_known_at"]
    asked_at = [max(as_of, known) if known else as_of for known in known_at]
    each = list(zip(asked_at, *(rows.columns[name] for name in TIMES), strict=True))
    distinct = {times: place for place, times in enumerate(dict.fromkeys(each))}
    columns = ([times[i] for times in distinct] for i in range(1 + len(TIMES)))
    features = request_time(*map(moments, columns))
    places = [distinct[times] for times in each]  # a plan asks about a workflow for each person
    return rows.with_columns(
        {
            "as_of": asked_at,
            **{name: values[places].tolist() for name, values in features.items()},
        },
        _REQUEST_TIME_TYPES,
    )
