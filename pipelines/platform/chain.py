"""Follow a change of the history through the DAGs, as Airflow's scheduler runs them."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from rich.progress import Progress, TaskID

from pipelines.contracts import DagId
from pipelines.errors import PlatformError
from pipelines.platform.airflow_client import AirflowClient, DagRun, TaskInstance

_POLL_S: Final = 1.0
_LOG_LINES: Final = 25


def follow_chain(
    client: AirflowClient,
    since: datetime,
    progress: Progress,
    *,
    check: Callable[[], None],
    timeout_s: float = 3600,
) -> list[DagRun]:
    """Wait until every DAG of the chain has had a run after `since`, showing their tasks.

    Args:
        client: of the Airflow that runs them.
        since: earlier runs do not count.
        progress: gets a bar for each DAG.
        check: called every moment; raises when waiting has become useless.
        timeout_s: for all of them together.

    Raises:
        PlatformError: a run failed (names the DAG task and ends with its log), the chain
            did not end in time, or `check` says so.
    """
    deadline = time.monotonic() + timeout_s
    bars = {dag: progress.add_task(f"DAG {dag}", total=None, start=False) for dag in DagId}
    finished: dict[DagId, DagRun] = {}
    for dag_id in DagId:
        for run in _latest_run(client, dag_id, since, deadline):
            check()
            if run is not None:
                _show(client, run, progress, bars[dag_id])
                if run.is_finished:
                    finished[dag_id] = run
        if finished[dag_id].state != "success":
            raise PlatformError(_fault(client, finished[dag_id]))
        progress.update(bars[dag_id], description=f"DAG {dag_id}")
        if not progress.console.is_terminal:  # where bars are not drawn until the end
            progress.console.print(f"DAG {dag_id} has run in {_seconds(finished[dag_id]):.0f} s")
    return list(finished.values())


def _latest_run(
    client: AirflowClient, dag_id: DagId, since: datetime, deadline: float
) -> Iterator[DagRun | None]:
    """Yield the newest run of a DAG every moment until it has finished; None before it is there."""
    while True:
        runs = client.runs(since, dag_id)
        yield runs[-1] if runs else None
        if runs and runs[-1].is_finished:
            return
        if time.monotonic() > deadline:
            state = runs[-1].state if runs else "not started"
            raise PlatformError(
                f"The DAG {dag_id} did not finish in time (its run is {state}): look at the "
                "scheduler's log and at `workcast status`."
            )
        time.sleep(_POLL_S)


def _show(client: AirflowClient, run: DagRun, progress: Progress, bar: TaskID) -> None:
    tasks = client.task_instances(run)
    done = sum(task.state in {"success", "skipped", "failed", "upstream_failed"} for task in tasks)
    running = [task.task_id for task in tasks if task.state == "running"]
    progress.start_task(bar)
    name = f"DAG {run.dag_id}" + (f": {', '.join(running)}" if running else "")
    progress.update(bar, total=len(tasks), completed=done, description=name)


def _seconds(run: DagRun) -> float:
    if run.start_date is None or run.end_date is None:
        return 0.0
    return (run.end_date - run.start_date).total_seconds()


def _fault(client: AirflowClient, run: DagRun) -> str:
    """Say which DAG task failed, with the end of its log."""
    failed = [task for task in client.task_instances(run) if task.state == "failed"]
    parts = [f"The DAG {run.dag_id} failed (run {run.dag_run_id})."]
    parts += [f"{task.task_id}:\n{_tail(client, task)}" for task in failed]
    return "\n".join(parts)


def _tail(client: AirflowClient, task: TaskInstance) -> str:
    return "\n".join(client.task_log(task).splitlines()[-_LOG_LINES:])
