"""The command `workcast bench features`; heavy libraries are imported inside it."""

from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def features(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the history.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times each build is done.")] = 3,
    json_path: JsonOption = None,
) -> None:
    """Build all feature views from scratch and by one day, beside a plain scan and sort."""
    from dataclasses import asdict

    from pipelines.bench.features import feature_rows, measure_features
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
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
