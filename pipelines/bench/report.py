"""Show what a benchmark found: a table for people, JSON for programs, the machine with both."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from pipelines.errors import BenchmarkError

_WIDTH_OF_FILES: Final = 240  # nothing of a table is cut off where nobody's screen is its bound


def open_console() -> Console:
    """Return what a benchmark prints to: as wide as the terminal, or as its tables need."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_FILES)


def print_table(
    console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table whose first column is text and whose others are figures."""
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def write_markdown(
    path: Path,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    libraries: Sequence[str],
) -> None:
    """Write a table with the machine it was measured on as Markdown.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    of = machine(libraries)
    versions = ", ".join(f"{name} {number}" for name, number in of["versions"].items())
    lines = [
        f"# {title}",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)),
        "",
        f"{of['core_count']} cores, {of['memory_gib']} GiB, Python {of['python']}, {versions}.",
        "",
    ]
    _write(path, "\n".join(lines))


def machine(libraries: Sequence[str]) -> dict[str, Any]:
    """Describe the machine and the versions that a figure holds for."""
    return {
        "processor": platform.processor() or platform.machine(),
        "core_count": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
    }


def write_json(
    path: Path, benchmark: str, figures: Mapping[str, Any], libraries: Sequence[str]
) -> None:
    """Write the figures with the machine they were measured on.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    content = {"benchmark": benchmark, "machine": machine(libraries), "figures": dict(figures)}
    _write(path, json.dumps(content, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise BenchmarkError(f"Cannot write the figures to {path}: {err.strerror}.") from err
