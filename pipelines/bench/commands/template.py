"""The command `workcast bench template`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption, MappingOption, SeedOption


def template(
    *,
    log: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Event log (XES or CSV).")],
    mapping: MappingOption = None,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Suggest templates for new workflows, beside the most frequent and the client's last."""
    from dataclasses import asdict

    from pipelines.bench.report import open_console, print_table, write_json
    from pipelines.bench.template import measure_template, result_rows

    console = open_console()
    with console.status("reading") as status:
        figures = measure_template(log, mapping, seed, status.update)
    kind = "mined" if figures.is_mined else "the log's own"
    title = (
        f"{figures.train_workflow_count:,} workflows to learn from, "
        f"{figures.test_workflow_count:,} later ones; {figures.template_count} templates ({kind})"
    )
    header = ["", "Hit@1", "Hit@3", "Hit@5", "MRR"]
    print_table(console, title, header, result_rows(figures))
    expected = figures.expectations
    console.print(
        f"{figures.answerable_ratio:.1%} of the later workflows took a known template, "
        f"{figures.new_client_ratio:.1%} are of new clients; content weighs "
        f"{figures.content_weight:.1f}.\n"
        f"Lead time: {expected['lead_time_mae_hours']:.1f} h off on average (one median for all: "
        f"{expected['overall_lead_time_mae_hours']:.1f} h), "
        f"{expected['coverage_p10_p90_ratio']:.1%} within the 80 % interval. "
        f"Success: Brier score {expected['success_brier']:.3f} (one share for all: "
        f"{expected['overall_success_brier']:.3f}).\n"
        f"{figures.seconds:.1f} s, {figures.peak_mib:,.0f} MiB at most."
    )
    if json_path is not None:
        content = {"seed": seed, **asdict(figures)}
        write_json(json_path, "template", content, ["lightgbm", "implicit", "pandas"])
