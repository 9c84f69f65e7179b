"""A simulated company: a whole history with a known cause for everything in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipelines.errors import SimulationError
from pipelines.history.company.changes import Change, ChangeKind
from pipelines.history.company.design import design_company
from pipelines.history.company.event_log import write_event_log
from pipelines.history.company.master import write_master
from pipelines.history.company.simulation import Simulation
from pipelines.history.company.write import HistoryWriter, write_rejected_rows
from pipelines.history.schema import HistoryFiles

__all__ = ["START", "Change", "ChangeKind", "simulate_company", "write_event_log"]

START: Final = datetime(2024, 1, 1, tzinfo=UTC)


def simulate_company(
    scratch: Path,
    *,
    task_count: int = 20_000,
    seed: int,
    start: datetime = START,
    change: Change | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> HistoryFiles:
    """Simulate a company from `start` until it has created exactly `task_count` tasks.

    The same arguments give the same bytes in every file. 20,000 tasks take a company of 60
    people about 13 months; more tasks make the company larger, fewer make both smaller. At
    the end some workflows are still open. `progress` is told tasks created and to create.

    Raises:
        SimulationError: no task is asked for, the seed is negative, a time has no zone, or the
            change lies outside the simulated time.
    """
    if task_count < 1 or seed < 0:
        raise SimulationError(
            f"A simulation needs task_count from 1 and seed from 0; got {task_count} and {seed}."
        )
    start = _in_utc(start, "start")
    company = design_company(task_count, seed, start)
    planned = None
    if change is not None:
        at = company.seconds(_in_utc(change.at, "the change"))
        if at < company.seconds(start):
            raise SimulationError(f"The change at {change.at} lies before the start, {start}.")
        planned = (change.kind, at)
    simulation = Simulation(company, seed, task_count, change=planned, progress=progress)
    end = simulation.run()
    if planned is not None and planned[1] >= end:
        raise SimulationError(
            f"The change at {company.instant(planned[1])} never happens: {task_count} tasks end at "
            f"{company.instant(end)}. Choose an earlier date or more tasks."
        )
    scratch.mkdir(parents=True, exist_ok=True)
    writer = HistoryWriter(simulation.journal, company, seed, end)
    files = HistoryFiles(
        task_events=scratch / "task_events.parquet",
        tasks=scratch / "tasks.parquet",
        workflows=scratch / "workflows.parquet",
        rejected_rows=scratch / "rejected_rows.parquet",
        read_count=len(simulation.journal.events),
        rejected_count=0,
        master=write_master(scratch, company, simulation.templates, company.instant(end)),
    )
    writer.write_events(files.task_events)
    writer.write_tasks(files.tasks)
    writer.write_workflows(files.workflows)
    write_rejected_rows(files.rejected_rows)
    return files


def _in_utc(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise SimulationError(f"The time of {name}, {moment}, has no zone: give it one, say UTC.")
    return moment.astimezone(UTC)
