"""The command `workcast bench allocation`; heavy libraries are imported inside it."""

from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def allocation(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="Simulated companies, one of each seed.")] = 20,
    tasks: Annotated[
        int, typer.Option(min=300, help="Tasks of a company, half of them before the trial.")
    ] = 4_000,
    instances: Annotated[
        int, typer.Option(min=1, help="Random questions to plan for the timing.")
    ] = 5,
    open_tasks: Annotated[int, typer.Option(min=1, help="Tasks of such a question.")] = 500,
    people: Annotated[int, typer.Option(min=1, help="People of such a question.")] = 100,
    json_path: JsonOption = None,
) -> None:
    """Plan allocations inside the simulated company beside simple rules; time large plans."""
    from rich.progress import Progress

    from pipelines.bench.allocation import (
        comparison_rows,
        content,
        run_trials,
        time_plans,
        timing_rows,
    )
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
    with Progress(console=console, transient=True) as bar:
        number = bar.add_task("Planning")
        timings = [
            time_plans(open_tasks, people, instances, has_predecessors=chained)
            for chained in (False, True)
        ]
        bar.update(number, description="Simulating")
        outcomes = run_trials(
            seeds, tasks, lambda done, total: bar.update(number, completed=done, total=total)
        )
    header = ["planning", "median s", "longest s", "planned", "violations"]
    print_table(console, f"{instances} random questions each", header, timing_rows(timings))
    header = ["mean of seeds, difference [95 %]"]
    for name in ("lead time, h", "late, share", "lateness, h", "load, Gini"):
        header += [name, "to present practice"]
    title = f"{seeds} companies of about {tasks:,} tasks"
    print_table(console, title, [*header, "still open"], comparison_rows(outcomes))
    if json_path is not None:
        figures = {"seed_count": seeds, "task_count": tasks, **content(outcomes, timings)}
        write_json(json_path, "allocation", figures, ["scipy", "numpy", "simpy"])
