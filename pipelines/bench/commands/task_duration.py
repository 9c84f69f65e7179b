"""The command `workcast bench task-duration`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.bench.commands.options import (
    JsonOption,
    MappingOption,
    SeedOption,
    TrialsOption,
)


def task_duration(
    *,
    log: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Event log, CSV or XES, .gz as well.")
    ],
    mapping: MappingOption = None,
    span: Annotated[
        Literal["waiting", "service", "sojourn"] | None,
        typer.Option(
            help="Ready to started, started to completed, or ready to completed; else the service "
            "time where the log has starts, and the sojourn time where it has none."
        ),
    ] = None,
    trials: TrialsOption = 8,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Tell how long tasks take, beside medians and quantiles by activity and person."""
    from dataclasses import asdict

    from pipelines.bench.report import open_console, print_table, write_json
    from pipelines.bench.task_duration import HEADER, duration_table, measure_task_duration
    from pipelines.learning.task_duration.spans import Span

    console = open_console()
    with console.status("reading") as status:
        figures = measure_task_duration(
            log,
            mapping,
            Span[span.upper()] if span else None,
            trial_count=trials,
            seed=seed,
            progress=lambda name, done, total: status.update(f"{name}: {done} of {total}"),
        )
    title = (
        f"{figures.span} in minutes: {figures.known_task_count:,} tasks to learn from, ended "
        f"before {figures.test_start}; {figures.test_task_count:,} later ones"
    )
    print_table(console, title, HEADER, duration_table(figures))
    if json_path is not None:
        content = {"seed": seed, "trial_count": trials, **asdict(figures)}
        write_json(json_path, "task-duration", content, ["lightgbm", "mapie", "optuna", "pandas"])
