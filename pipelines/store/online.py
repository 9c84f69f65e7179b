"""Read features from the online store as the offline join gives them, in one round trip.

Two kinds of question. What a model reads about a workflow: its progress, and the views that its
last activity, person and team are the keys of; a script follows those keys inside Valkey. And
rows of views by their keys, for example those of a hundred people (`ViewReader.lookup`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import redis

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.clock import microseconds
from pipelines.store.definitions import feast_definitions
from pipelines.store.online_rows import ServiceRows, ViewRows
from pipelines.store.online_view import Reply
from pipelines.store.service_plan import ServicePlan
from pipelines.store.valkey import answering, require
from pipelines.store.view_reader import ViewReader

# Valkey answers others between two scripts.
_KEYS_A_SCRIPT: Final = 100


class OnlineReader(ViewReader):
    """Reads feature services, and views by their keys; see `ViewReader`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.valkey, VIEWS.values())
        self.plans = {
            name: ServicePlan(
                [FeatureView(view.name) for view in service.feature_view_projections], self._views
            )
            for name, service in feast_definitions(settings.lake).services.items()
        }

    def read(self, workflow_ids: Sequence[str], service: str, as_of: datetime) -> ServiceRows:
        """Read the features of workflows, one row each in the order asked for.

        Args:
            workflow_ids: may repeat.
            service: name of a feature service.
            as_of: now, in the data's time (the watermark): rows past their time-to-live then
                count as missing.

        Returns:
            workflow_id, as_of, is_known (false: no such workflow), is_closed and closed_at (None
            where unknown), features_known_at (when the workflow's progress was known; None
            without it), activity, person_id, team_id, then the features as `training_set` names
            them.

        Raises:
            FeatureStoreError: no such service, or Valkey does not answer or has lost everything.
        """
        plan = self.plans.get(service)
        if plan is None:
            raise FeatureStoreError(
                f"No feature service {service!r}; there are {', '.join(sorted(self.plans))}."
            )
        ids = list(dict.fromkeys(workflow_ids))
        chunks = [ids[i : i + _KEYS_A_SCRIPT] for i in range(0, len(ids), _KEYS_A_SCRIPT)]
        with answering():
            parts = [
                part
                for chunk, replies in zip(chunks, self._run(plan, chunks), strict=True)
                for part in plan.parts(chunk, replies)
            ]
            found = self._decoded(parts, microseconds(as_of))
        rows = plan.rows(workflow_ids, as_of, found)
        if not all(rows.columns["is_known"]):
            self.require_content()
        return rows

    def candidates(
        self, person_ids: Sequence[str], activity: str, as_of: datetime
    ) -> dict[FeatureView, ViewRows]:
        """Read what is known of people who could do an activity: workload and experience.

        Raises:
            FeatureStoreError: Valkey does not answer.
        """
        return self.lookup(
            {
                FeatureView.PERSON_WORKLOAD: [(person,) for person in person_ids],
                FeatureView.PERSON_ACTIVITY: [(person, activity) for person in person_ids],
            },
            as_of,
        )

    def _run(self, plan: ServicePlan, chunks: Sequence[Sequence[str]]) -> list[Sequence[Reply]]:
        replies = self._valkey.ask([plan.script(chunk, whole=False) for chunk in chunks])
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            # A server that has just started does not have the script yet; so it gets it.
            replies = self._valkey.ask([plan.script(chunk, whole=True) for chunk in chunks])
        return [require(reply) for reply in replies]
