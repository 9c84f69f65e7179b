"""Drive Airflow over its REST API (`/api/v2`): DAGs, runs, logs, asset events.

The `airflow` command takes seconds to start; a request takes milliseconds.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pipelines.errors import PlatformError
from pipelines.platform.credentials import AIRFLOW_USER, credentials_of
from pipelines.settings import Settings

_TIMEOUT_S: Final = 30.0
_PAGE: Final = 100  # Airflow's largest
_POLL_S: Final = 0.5
_SHOWN_CHARACTERS: Final = 2_000


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Dag(_Answer):
    """A DAG as Airflow knows it; `last_parsed_time` is when its file was last read."""

    dag_id: str
    is_paused: bool
    is_stale: bool
    has_import_errors: bool
    last_parsed_time: datetime | None


class DagRun(_Answer):
    """One run of a DAG."""

    dag_id: str
    dag_run_id: str
    state: str  # queued, running, success, failed
    run_type: str  # manual, scheduled, backfill, asset_triggered
    run_after: datetime
    start_date: datetime | None
    end_date: datetime | None
    conf: dict[str, Any] | None

    @property
    def is_finished(self) -> bool:
        """Tell whether it has ended, well or not."""
        return self.state in {"success", "failed"}


class TaskInstance(_Answer):
    """One DAG task of one run."""

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    state: str | None  # None before it is scheduled
    try_number: int
    start_date: datetime | None
    end_date: datetime | None
    duration: float | None  # seconds


class DagImportError(_Answer):
    """A DAG file that Airflow could not import."""

    filename: str
    timestamp: datetime
    stack_trace: str


class _UnavailableError(PlatformError):
    """Airflow did not answer, or answered 5xx."""


class AirflowClient:
    """A client of one Airflow; every method raises PlatformError with what Airflow answered.

    With `patience_s` what only reads is asked again for so long while Airflow does not answer
    or answers 5xx: one of its servers may be about to be started again.
    """

    def __init__(
        self, url: str, password: str, user: str = AIRFLOW_USER, patience_s: float = 0
    ) -> None:
        self.url = url
        self._again = Retrying(
            retry=retry_if_exception_type(_UnavailableError),
            stop=stop_after_delay(patience_s),
            wait=wait_fixed(_POLL_S),
            reraise=True,
        )
        self._login = {"username": user, "password": password}
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False)

    @classmethod
    def of(cls, settings: Settings, patience_s: float = 0) -> Self:
        """Make the client of the platform's Airflow."""
        password = credentials_of(settings).airflow_password
        return cls(settings.airflow, password, patience_s=patience_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def dags(self) -> list[Dag]:
        """List the DAGs that are in the DAGs folder now."""
        return [Dag.model_validate(each) for each in self._pages("/dags", "dags")]

    def dag(self, dag_id: str) -> Dag:
        """Return one DAG."""
        return Dag.model_validate(self._ask("GET", f"/dags/{quote(dag_id)}"))

    def import_errors(self) -> list[DagImportError]:
        """List the DAG files that cannot be imported."""
        pages = self._pages("/importErrors", "import_errors")
        return [DagImportError.model_validate(each) for each in pages]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._ask("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Start a run of a DAG now; `conf` holds its parameters."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        answer = self._ask("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body)
        return DagRun.model_validate(answer)

    def run(self, dag_id: str, dag_run_id: str) -> DagRun:
        """Return one run."""
        return DagRun.model_validate(self._ask("GET", _run_path(dag_id, dag_run_id)))

    def runs(self, since: datetime, dag_id: str | None = None) -> list[DagRun]:
        """List the runs due at or after `since`, of one DAG or of all, oldest first."""
        path = f"/dags/{quote(dag_id) if dag_id is not None else '~'}/dagRuns"
        query = {"run_after_gte": since.astimezone(UTC).isoformat(), "order_by": "run_after"}
        pages = self._pages(path, "dag_runs", query)
        return [DagRun.model_validate(each) for each in pages]

    def task_instances(self, run: DagRun) -> list[TaskInstance]:
        """List the DAG tasks of a run."""
        path = f"{_run_path(run.dag_id, run.dag_run_id)}/taskInstances"
        pages = self._pages(path, "task_instances")
        return [TaskInstance.model_validate(each) for each in pages]

    def task_log(self, task: TaskInstance) -> str:
        """Return the log of a DAG task's last try, one line an entry, tracebacks included."""
        run = _run_path(task.dag_id, task.dag_run_id)
        answer = self._ask(
            "GET",
            f"{run}/taskInstances/{quote(task.task_id)}/logs/{max(1, task.try_number)}",
            params={"map_index": task.map_index, "full_content": True},
            headers={"accept": "application/json"},
        )
        return "\n".join(line for entry in answer["content"] for line in _log_lines(entry))

    def create_asset_event(self, asset: str, extra: Mapping[str, Any] | None = None) -> None:
        """Say that an asset (by name or URI) has changed: the DAGs that wait for it start."""
        for each in self._pages("/assets", "assets"):
            if asset in (each["name"], each["uri"]):
                body = {"asset_id": each["id"], "extra": dict(extra or {})}
                self._ask("POST", "/assets/events", json=body)
                return
        raise PlatformError(
            f"Airflow at {self.url} knows no asset {asset!r}: no DAG that was read yet names it."
        )

    def _pages(
        self, path: str, key: str, query: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the entries of a collection, page by page."""
        offset = 0
        while True:
            params = {**(query or {}), "limit": _PAGE, "offset": offset}
            entries = self._ask("GET", path, params=params)[key]
            yield from entries
            offset += len(entries)
            if len(entries) < _PAGE:
                return

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        if method == "GET":  # may be asked again, whatever became of it
            return self._again(self._ask_now, method, path, **request)
        return self._ask_now(method, path, **request)

    def _ask_now(self, method: str, path: str, **request: Any) -> Any:
        """Ask once, and once more with a new token when the old one has expired."""
        if "authorization" not in self._http.headers:
            self._log_in()
        answer = self._send(method, f"/api/v2{path}", **request)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._log_in()
            answer = self._send(method, f"/api/v2{path}", **request)
        return self._content(answer)

    def _log_in(self) -> None:
        token = self._content(self._send("POST", "/auth/token", json=self._login))["access_token"]
        self._http.headers["authorization"] = f"Bearer {token}"

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except httpx.HTTPError as err:
            raise _UnavailableError(
                f"Airflow at {self.url} does not answer {method} {path}: "
                f"{err or type(err).__name__}. Look at `workcast status`."
            ) from err

    def _content(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            fault = _UnavailableError if answer.is_server_error else PlatformError
            raise fault(
                f"Airflow at {self.url} answered {answer.status_code} to "
                f"{answer.request.method} {answer.request.url.path}: "
                f"{answer.text[:_SHOWN_CHARACTERS]}"
            )
        return answer.json() if answer.content else None


def wait_for_dags(
    client: AirflowClient,
    dag_ids: Collection[str],
    *,
    timeout_s: float,
    since: datetime | None = None,
) -> None:
    """Wait until Airflow has read all these DAGs, after `since` where given.

    Raises:
        PlatformError: a DAG file cannot be imported (with its traceback), or a DAG did not
            appear in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        faults = [e for e in client.import_errors() if since is None or e.timestamp >= since]
        if faults:
            raise PlatformError(
                "\n".join(f"Airflow cannot import {e.filename}:\n{e.stack_trace}" for e in faults)
            )
        read = {
            each.dag_id
            for each in client.dags()
            if each.last_parsed_time is not None
            and (since is None or each.last_parsed_time >= since)
        }
        missing = sorted(set(dag_ids) - read)
        if not missing:
            return
        if time.monotonic() > deadline:
            raise PlatformError(
                f"Airflow has not read the DAGs {', '.join(missing)} within {timeout_s:.0f} s: are "
                "their files in the DAGs folder? See the log of airflow-dag-processor."
            )
        time.sleep(_POLL_S)


def _run_path(dag_id: str, dag_run_id: str) -> str:
    return f"/dags/{quote(dag_id)}/dagRuns/{quote(dag_run_id, safe='')}"


def _log_lines(entry: dict[str, Any] | str) -> Iterator[str]:
    """Yield one log entry as lines: what was said, then the errors with their innermost frame."""
    if isinstance(entry, str):
        yield entry
        return
    yield f"{entry.get('timestamp') or ''} {entry.get('level') or ''} {entry['event']}".strip()
    for error in entry.get("error_detail") or []:
        for frame in error.get("frames") or []:
            yield f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
        yield f"  {error.get('exc_type')}: {error.get('exc_value')}"
