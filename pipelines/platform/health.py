"""Health checks: what each server must answer before the platform calls it up.

A check is called with the moment the program's process started and returns what is still
missing, or None. It never waits longer than a few seconds and never raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import httpx
import redis
from sqlalchemy import URL

from pipelines.platform import postgres

HealthCheck = Callable[[datetime], str | None]

_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True)
class HttpHealth:
    """A page that answers with a status below 400."""

    url: str

    def __call__(self, started_at: datetime) -> str | None:
        """Return what is wrong, or None."""
        answer = _get(self.url)
        return answer if isinstance(answer, str) else None


@dataclass(frozen=True)
class PostgresHealth:
    """A PostgreSQL server that runs a query."""

    database: URL

    def __call__(self, started_at: datetime) -> str | None:
        """Return what is wrong, or None."""
        return postgres.fault(self.database)


@dataclass(frozen=True)
class ValkeyHealth:
    """A Valkey server that has loaded its data and answers a ping."""

    url: str

    def __call__(self, started_at: datetime) -> str | None:
        """Return what is wrong, or None."""
        try:
            with redis.Redis.from_url(
                self.url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
            ) as client:
                client.ping()
        except redis.RedisError as err:
            return str(err)
        return None


@dataclass(frozen=True)
class AirflowHealth:
    """A component of Airflow, as its API server sees it.

    `component` is `metadatabase`, `scheduler` or `dag_processor`. The last two must have sent
    a heartbeat since their process started: that of a process killed a moment ago still counts
    as healthy with Airflow.
    """

    api_url: str
    component: str

    def __call__(self, started_at: datetime) -> str | None:
        """Return what is wrong, or None."""
        answer = _get(f"{self.api_url}/api/v2/monitor/health")
        if isinstance(answer, str):
            return answer
        part: dict[str, Any] = answer.json().get(self.component) or {}
        if part.get("status") != "healthy":
            return f"Airflow says {self.component} is {part.get('status')}"
        if self.component == "metadatabase":
            return None
        beat = part.get(f"latest_{self.component}_heartbeat")
        if beat is None or datetime.fromisoformat(beat).astimezone(UTC) < started_at:
            return f"no heartbeat of {self.component} since it started"
        return None


def _get(url: str) -> httpx.Response | str:
    """Return the answer, or what is wrong."""
    try:
        answer = _client().get(url)
    except httpx.HTTPError as err:
        return f"{url}: {err or type(err).__name__}"
    if answer.is_error:
        return f"{url} answers {answer.status_code}"
    return answer


@cache
def _client() -> httpx.Client:
    """Make the client once: its certificates take a tenth of a second to load."""
    # Most addresses are on this machine: a proxy from the environment must not come between.
    return httpx.Client(
        timeout=_TIMEOUT_S,
        trust_env=False,
        follow_redirects=True,
        limits=httpx.Limits(max_keepalive_connections=0),
    )
