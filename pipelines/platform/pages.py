"""Tables for people: the pages of the platform, and how its servers are."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines.platform.credentials import AIRFLOW_USER, ensure_credentials
from pipelines.platform.status import ProgramStatus, status
from pipelines.settings import Settings

_MEBIBYTE = 2**20


def print_pages(settings: Settings, console: Console) -> None:
    """Show the address of every page and what it is for."""
    password = ensure_credentials(settings.home).airflow_password
    table = Table(box=None, header_style="bold")
    for name in ("page", "address", "what for"):
        table.add_column(name, overflow="fold", no_wrap=name == "address")
    table.add_row("Airflow", settings.airflow, f"DAGs; user {AIRFLOW_USER}, password {password}")
    table.add_row("MLflow", settings.mlflow, "experiments, registered models")
    table.add_row(
        "service", settings.service, "predictions over HTTP, API page; tokens: workcast token"
    )
    table.add_row("Evidently", settings.evidently, "drift reports")
    for name, path, purpose in (
        ("data docs", _docs_page(settings), "validations by Great Expectations"),
        ("reports", settings.reports_dir, "drift reports as HTML files"),
    ):
        if path.exists():
            table.add_row(name, path.as_uri(), purpose)
    console.print(table, soft_wrap=True)


def print_status(settings: Settings, console: Console) -> bool:
    """Show each server; return whether all of them are healthy."""
    programs = status(settings)
    table = Table("server", "state", "address", "restarts", "memory", "", box=None)
    for program in programs:
        table.add_row(*_row(program))
    console.print(table, soft_wrap=True)
    return all(program.is_healthy for program in programs)


def _row(program: ProgramStatus) -> tuple[str, ...]:
    colour = "green" if program.is_healthy else "red"
    memory = program.memory_bytes / _MEBIBYTE
    return (
        program.name,
        f"[{colour}]{'healthy' if program.is_healthy else program.state.lower()}[/]",
        program.address,
        str(program.restart_count),
        f"{memory:.0f} MiB" if memory else "",
        "" if program.is_healthy else f"{program.detail}; log: {program.log}",
    )


def _docs_page(settings: Settings) -> Path:
    return settings.docs_dir / "uncommitted" / "data_docs" / "local_site" / "index.html"
