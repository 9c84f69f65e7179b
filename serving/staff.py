"""Who does what, as the history tells it: replayed once, and followed as the clock moves."""

import logging
from datetime import datetime

from pipelines.features.history import read_history
from pipelines.learning.assignee.state import AssigneeState
from serving.clock import FeatureClock
from serving.poller import Poller
from serving.problems import HistoryAwayError

logger = logging.getLogger(__name__)

_SECONDS = 2.0


class Staff:
    """Keep the state of the assignee model at the clock's moment."""

    def __init__(self, lake: str, clock: FeatureClock) -> None:
        self._lake = lake
        self._clock = clock
        self._state: AssigneeState | None = None
        self._as_of: datetime | None = None
        self._poller = Poller("staff", self.follow, _SECONDS)

    def start(self) -> None:
        """Start following the clock."""
        self._poller.start()

    def stop(self) -> None:
        """Stop following it."""
        self._poller.stop()

    @property
    def as_of(self) -> datetime | None:
        """Up to when the history was read; None before the first time."""
        return self._as_of

    def follow(self) -> None:
        """Read what was recorded since the last time."""
        reading = self._clock.reading
        if reading is None or reading.as_of == self._as_of:
            return
        history = read_history(self._lake, reading.as_of)
        events, workflows = history.task_events, history.workflows
        since = self._as_of
        if since is not None and since < reading.as_of:
            events = events.filter(events.recorded_at >= since)
            workflows = workflows.filter(workflows.recorded_at >= since)
        if self._state is None or since is None or since > reading.as_of:
            # Also where the clock went back: another history.
            self._state = AssigneeState(events.to_pandas(), workflows.to_pandas())
        else:
            self._state.advance(events.to_pandas(), workflows.to_pandas())
        self._as_of = reading.as_of
        logger.info("The history of who did what is read up to %s", self._as_of)

    def state(self) -> tuple[AssigneeState, datetime]:
        """Return the state, and up to when it was read.

        Raises:
            HistoryAwayError: it has not been read yet.
        """
        if self._state is None or self._as_of is None:
            raise HistoryAwayError(
                "Who did what has not been read from the lake yet; ask again in a few seconds."
            )
        return self._state, self._as_of
