"""The command `workcast bench sla`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption, MappingOption, SeedOption, TrialsOption


def sla(
    *,
    log: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Event log (CSV or XES).")],
    mapping: MappingOption = None,
    resolved: Annotated[
        list[str] | None,
        typer.Option(
            help="Activity from which on nothing is left to predict; may be given again. "
            "Not given: the mapping's resolved and closing activities."
        ),
    ] = None,
    test_ratio: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of the workflows to test on.")
    ] = 0.2,
    late_quantile: Annotated[
        float,
        typer.Option(
            min=0.01, max=0.99, help="Of the lead time; where no due date, no outcome is known."
        ),
    ] = 0.8,
    trials: TrialsOption = 8,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Tell at every update which workflows will be late, beside shares and common classifiers."""
    from pipelines.bench.report import open_console, print_table, write_json
    from pipelines.bench.sla import as_plain, measure_sla, sla_table, update_table

    console = open_console()
    with console.status("reading") as status:
        figures = measure_sla(
            log,
            mapping,
            trials,
            seed,
            resolved=resolved or (),
            test_ratio=test_ratio,
            late_quantile=late_quantile,
            progress=status.update,
        )
    title = (
        f"{figures.train_row_count:,} updates of {figures.train_workflow_count:,} workflows to "
        f"learn from ({figures.undecided_at_split_count:,} more were undecided at the split, "
        f"{figures.test_start}), {figures.test_row_count:,} of {figures.test_workflow_count:,} "
        f"later ones ({figures.not_followed_count:,} more were opened too late to be followed, "
        f"{figures.undecided_count:,} are undecided, {figures.overdue_row_count:,} updates were "
        f"overdue already); late by {figures.late_rule}: "
        f"{figures.learner.metrics['late_ratio']:.1%}"
    )
    header = ["", "AUC", "avg. precision", "Brier", "calibration error", "mean", "seconds", "MiB"]
    print_table(console, title, header, sla_table(figures))
    counts = [f"{key} ({n:,})" for key, n in figures.test_rows_by_update_count.items() if n]
    print_table(console, "AUC by updates so far", ["", *counts], update_table(figures))
    tenths = [
        (
            f"{row['tenth'] / 10:.1f} to {(row['tenth'] + 1) / 10:.1f}",
            f"{row['row_count']:,}",
            f"{row['mean_probability']:.3f}",
            f"{row['late_ratio']:.3f}",
        )
        for row in figures.learner.reliability
    ]
    print_table(console, "Reliability", ["predicted", "updates", "mean", "happened"], tenths)
    if json_path is not None:
        content = {"seed": seed, "trial_count": trials, **as_plain(figures)}
        write_json(json_path, "sla", content, ["lightgbm", "optuna", "scikit-learn"])
