"""A copy of the latest features from the lake, kept for when the online store is away."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from pipelines.features.views import VIEWS
from pipelines.store.lake_copy import LakeCopy, read_lake_copy
from pipelines.store.service_plan import ServicePlan
from pipelines.store.task_rows import TaskQuestion, task_rows
from serving.clock import FeatureClock
from serving.features import Fallback
from serving.poller import Poller

logger = logging.getLogger(__name__)

_SECONDS: Final = 5.0


class LakeFeatures:
    """Keep the copy at the clock's moment; with `max_rows` 0 keep none."""

    def __init__(
        self, lake: str, plans: Mapping[str, ServicePlan], clock: FeatureClock, max_rows: int
    ) -> None:
        self._lake = lake
        self._plans = plans
        self._clock = clock
        self._max_rows = max_rows
        self._copy: LakeCopy | None = None
        self._poller = Poller("lake-features", self.refresh, _SECONDS)

    def start(self) -> None:
        """Start following the clock."""
        if self._max_rows:
            self._poller.start()

    def stop(self) -> None:
        """Stop following it."""
        self._poller.stop()

    @property
    def is_there(self) -> bool:
        """Whether there is a copy."""
        return self._copy is not None

    def read(self, workflow_ids: Sequence[str], service: str) -> Fallback | None:
        """Return one row for each id as of the copy's moment; None where there is no copy."""
        copy = self._copy
        if copy is None:
            return None
        rows = copy.read(self._plans[service], workflow_ids)
        return Fallback(rows, copy.as_of, is_partial=not copy.is_whole)

    def read_tasks(self, questions: Sequence[TaskQuestion]) -> Fallback | None:
        """Return one row for each question as of the copy's moment; None where there is no copy."""
        copy = self._copy
        if copy is None:
            return None
        rows = task_rows(copy, questions, copy.as_of)
        return Fallback(rows, copy.as_of, is_partial=not copy.is_whole)

    def refresh(self) -> None:
        """Read the lake anew where the clock has moved."""
        reading = self._clock.reading
        if reading is None or (self._copy is not None and self._copy.as_of == reading.as_of):
            return
        specs = list(VIEWS.values())
        self._copy = read_lake_copy(self._lake, specs, reading.as_of, self._max_rows)
        logger.info("Features as known at %s are at hand from the lake", reading.as_of)
