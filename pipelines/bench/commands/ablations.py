"""The command `workcast bench ablations`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption, SeedOption, TrialsOption


def ablations(
    *,
    folder: Annotated[
        Path,
        typer.Option(
            exists=True, file_okay=False, help="Logs as train_<log>, val_<log> and test_<log>."
        ),
    ],
    log: Annotated[
        list[str] | None, typer.Option(help="Only this log; may be given several times.")
    ] = None,
    trials: TrialsOption = 12,
    seed: SeedOption = 0,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table to a Markdown file.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Take one choice or kind of feature of remaining time away at a time."""
    from dataclasses import asdict

    from pipelines.bench.ablations import ablation_rows, measure_ablations, split_logs
    from pipelines.bench.report import open_console, print_table, write_json, write_markdown

    console = open_console()
    logs = {name: of for name, of in split_logs(folder).items() if not log or name in log}
    with console.status("reading") as status:
        results = measure_ablations(logs, trials, seed, status.update)
    header, rows = ablation_rows(results)
    title = f"Remaining time, mean absolute error in days; {trials} trials a search, seed {seed}"
    print_table(console, title, header, rows)
    libraries = ["lightgbm", "optuna", "scikit-learn"]
    if markdown is not None:
        write_markdown(markdown, title, header, rows, libraries)
    if json_path is not None:
        content = [asdict(one) for one in results]
        write_json(json_path, "ablations", {"trials": trials, "results": content}, libraries)
