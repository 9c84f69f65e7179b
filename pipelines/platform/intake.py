"""Bring a history in from the command line: progress, a summary, and a word to the DAGs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from pipelines.contracts import AssetName
from pipelines.errors import PlatformError
from pipelines.history.company import Change, ChangeKind, simulate_company, write_event_log
from pipelines.history.mapping import load_mapping
from pipelines.history.schema import HistoryFiles
from pipelines.platform.airflow_client import AirflowClient
from pipelines.platform.progress import progress_bars
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.import_record import ImportSummary
from pipelines.source.imports import ImportProgress, import_log, load_simulated


def import_file(
    settings: Settings, file: Path, mapping: Path | None, console: Console
) -> ImportSummary:
    """Import an event log and show what became of its rows.

    Raises:
        WorkcastError: see `pipelines.source.imports.import_log`.
    """
    meaning = load_mapping(mapping) if mapping is not None else None
    with _database(settings) as engine, _steps(console) as progress:
        summary = import_log(
            engine,
            file,
            meaning,
            max_rejected_ratio=settings.max_rejected_ratio,
            now=datetime.now(UTC),
            progress=progress,
        )
    print_summary(summary, console)
    return summary


def simulate_history(
    settings: Settings,
    console: Console,
    *,
    task_count: int,
    seed: int | None = None,
    change: str | None = None,
    out: Path | None = None,
) -> ImportSummary | None:
    """Simulate a company and load its history, or write it as an event log to `out`.

    Raises:
        PlatformError: `change` is not KIND@DATE.
        WorkcastError: the simulation or the load failed.
    """
    seed = settings.seed if seed is None else seed
    with TemporaryDirectory(prefix="workcast-simulate-") as folder:
        with _steps(console) as progress:
            files = simulate_company(
                Path(folder),
                task_count=task_count,
                seed=seed,
                change=_change(change),
                progress=lambda done, total: progress("simulating tasks", done, total),
            )
        if out is not None:
            write_event_log(files, out)
            console.print(f"Wrote {out}; import it with: workcast import-log {out}")
            return None
        summary = _load(settings, files, f"simulated company, seed {seed}", console)
    print_summary(summary, console)
    return summary


def announce(settings: Settings, summary: ImportSummary, console: Console) -> None:
    """Tell the DAGs that new history was recorded, where Airflow runs."""
    if summary.first_recorded_at is None or summary.last_recorded_at is None:
        return
    end = summary.last_recorded_at + timedelta(microseconds=1)
    extra = {"start": summary.first_recorded_at.isoformat(), "end": end.isoformat()}
    try:
        with AirflowClient.of(settings) as client:
            client.create_asset_event(AssetName.SOURCE_HISTORY, extra)
    except PlatformError as err:
        console.print(
            f"The DAGs were not told ({err}). Start the platform with `workcast up` and trigger "
            "the DAG extract_history."
        )
        return
    console.print(f"The DAGs are told; watch them at {settings.airflow}.")


def print_summary(summary: ImportSummary, console: Console) -> None:
    """Show how many rows were read, added, already there and refused, and why."""
    if summary.already_imported:
        console.print(f"{summary.file} is imported already (import {summary.import_id}).")
    table = Table("", "added", "already there", box=None, header_style="bold")
    for name, added, present in (
        ("workflows", summary.workflows_added, summary.workflows_present),
        ("tasks", summary.tasks_added, summary.tasks_present),
        ("events", summary.events_added, summary.events_present),
    ):
        table.add_row(name, f"{added:,}", f"{present:,}")
    console.print(table)
    refused = sum(summary.rejected.values())
    console.print(
        f"{summary.rows_read:,} rows read, {refused:,} refused, in {summary.seconds:.1f} s "
        f"(mapping {summary.mapping or 'none'}, import {summary.import_id})"
    )
    for reason, count in summary.rejected.items():
        console.print(f"  {count:,} x {reason}", markup=False)


def _load(settings: Settings, files: HistoryFiles, label: str, console: Console) -> ImportSummary:
    with _database(settings) as engine, _steps(console) as progress:
        return load_simulated(engine, files, label, progress)


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _steps(console: Console) -> Iterator[ImportProgress]:
    """Show one bar a step; a step is known by the words it is reported under."""
    with progress_bars(console) as bars:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show


def _change(text: str | None) -> Change | None:
    if text is None:
        return None
    kind, _, date = text.partition("@")
    try:
        return Change(ChangeKind(kind), datetime.fromisoformat(date).replace(tzinfo=UTC))
    except ValueError:
        kinds = ", ".join(ChangeKind)
        raise PlatformError(
            f"--change is {text!r}; write KIND@DATE with a kind of {kinds}, "
            "for example demand_doubles@2024-09-01."
        ) from None
