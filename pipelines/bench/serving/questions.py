"""What is asked: of the service, and of the bare server beside it."""

import json
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import Any, Final
from uuid import uuid4

from pipelines.bench.serving.champions import Champions
from pipelines.bench.serving.known import Known
from pipelines.bench.serving.load import http_request
from pipelines.contracts import Model, Role
from pipelines.platform.issuer import LONGEST_LIFE_MINUTES
from pipelines.platform.token import issue_token
from pipelines.settings import Settings

DURATION: Final = "/predict_duration, one workflow"
HITS: Final = "/predict_duration, from the cache"
CANDIDATES: Final = {count: f"/recommend_assignees, {count} candidates" for count in (100, 500)}

_MOST_ASKED: Final = 200  # different requests of a kind
_MOST_AT_ONCE: Final = 1_000
_PLANNED: Final = 5  # tasks, and people


class Asker:
    """Makes the requests of one caller, who may ask for predictions."""

    def __init__(self, settings: Settings, known: Known) -> None:
        self._settings = settings
        self._known = known
        self._authorization = self._bearer(Role.PREDICT)

    def _bearer(self, role: Role) -> str:
        token = issue_token(self._settings, [role], "benchmark", minutes=LONGEST_LIFE_MINUTES)
        return f"Bearer {token}"

    def durations(self, workflow_ids: Iterable[str]) -> list[bytes]:
        """Ask how long workflows will take, each on its own, in the order given."""
        return [self._post("/predict_duration", {"workflow_id": one}) for one in workflow_ids]

    def candidates(self, count: int) -> list[bytes]:
        """Ask who should do each open task, of so many people.

        Where the company has fewer, newcomers whom the history does not name fill up.
        """
        people = list(self._known.person_ids[:count])
        people += [f"newcomer {number}" for number in range(count - len(people))]
        return [
            self._post("/recommend_assignees", {"task_id": one, "person_ids": people})
            for one in self._tasks
        ]

    def endpoints(self) -> dict[str, list[bytes]]:
        """Ask everything that the service is asked for its answers, as people would."""
        known, tasks = self._known, self._tasks
        return {
            "/predict_duration, one workflow": self.durations(known.workflow_ids[:_MOST_ASKED]),
            "/predict_duration, one task": [
                self._post("/predict_duration", {"task_id": one}) for one in tasks
            ],
            "/assess_risk, one workflow": [
                self._post("/assess_risk", {"workflow_id": one})
                for one in known.workflow_ids[:_MOST_ASKED]
            ],
            "/recommend_assignees, everyone": [
                self._post("/recommend_assignees", {"task_id": one}) for one in tasks
            ],
            "/suggest_templates, running": [
                self._post("/suggest_templates", {"workflow_id": one})
                for one in known.workflow_ids[:_MOST_ASKED]
            ],
            "/suggest_templates, new": [self._post("/suggest_templates", {"priority": "normal"})],
            f"/recommend_allocation, {_PLANNED} tasks": [
                self._post("/recommend_allocation", one) for one in self._plans()
            ],
            "/alerts": [self._get("/alerts")],
            "/models": [self._get("/models")],
            "/readyz": [self._get("/readyz")],
        }

    def written(self) -> dict[str, list[bytes]]:
        """Say what became of answers and alerts. Not to a platform that people use: it stays.

        These requests are another caller's, who may do so.
        """
        said = [{"verdict": "accepted"}, {"verdict": "overridden", "chosen": "somebody else"}]
        feedback = [
            {"prediction_id": str(uuid4()), "by": "benchmark", **one}
            for one in islice(cycle(said), _MOST_ASKED)
        ]
        taken = [
            {"alert_id": one, "by": "benchmark"} for one in self._known.alert_ids[:_MOST_ASKED]
        ]
        authorization = self._bearer(Role.FEEDBACK)
        return {
            path: [self._post(path, body, authorization) for body in bodies]
            for path, bodies in (("/feedback", feedback), ("/acknowledge_alert", taken))
        }

    def many(self, kind: str, ids: Sequence[str]) -> bytes:
        """Ask how long many will take in one request; `kind` is workflow_id or task_id."""
        return self._post("/predict_duration", {f"{kind}s": list(ids[:_MOST_AT_ONCE])})

    def metrics(self) -> bytes:
        """Ask for what the service counts."""
        return self._get("/metrics")

    def _plans(self) -> list[dict[str, Any]]:
        """Each is of other tasks, and of the people next in turn."""
        tasks, people = self._tasks, cycle(self._known.person_ids)
        count = min(_PLANNED, len(self._known.person_ids))
        return [
            {
                "tasks": [{"task_id": one} for one in tasks[first : first + _PLANNED]],
                "people": [{"person_id": one} for one in islice(people, count)],
            }
            for first in range(0, max(len(tasks) - _PLANNED + 1, 1), _PLANNED)
        ]

    @property
    def _tasks(self) -> Sequence[str]:
        return self._known.task_ids[:_MOST_ASKED]

    def _post(self, path: str, body: dict[str, Any], authorization: str | None = None) -> bytes:
        authorization = authorization or self._authorization
        return http_request("POST", path, json.dumps(body).encode(), authorization)

    def _get(self, path: str) -> bytes:
        return http_request("GET", path, authorization=self._authorization)


def bare_requests(champions: Champions, model: Model, row_count: int) -> list[bytes]:
    """Hand the bare server so many rows of a model."""
    path = f"/score/{model.value}/{row_count}"
    return [http_request("POST", path, body) for body in champions.bare[model].bodies(row_count)]
