"""The command `workcast bench delay`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


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

    from pipelines.bench.delay import SUSPECT, delay_rows, measure_delay
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
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
    header = ["", SUSPECT, "AUC", "avg. precision", "Brier", "calibration error", "seconds", "MiB"]
    print_table(console, title, header, delay_rows(figures))
    if json_path is not None:
        content = {"seed": seed, **asdict(figures)}
        write_json(json_path, "delay", content, ["lightgbm", "scikit-learn", "pandas"])
