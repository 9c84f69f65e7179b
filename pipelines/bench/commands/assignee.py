"""The command `workcast bench assignee`; heavy libraries are imported inside it."""

from pathlib import Path

from pipelines.bench.commands.options import (
    JsonOption,
    MappingOption,
    SeedOption,
    TestOption,
    TrainOption,
    ValOption,
)


def assignee(
    *,
    train: TrainOption,
    val: ValOption = None,
    test: TestOption,
    mapping: MappingOption = None,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Rank who takes over each piece of work, beside simple rankings on the same handovers."""
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from pipelines.bench.assignee import SHOWN, assignee_rows, measure_assignee
    from pipelines.bench.assignee_events import read_events
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
    paths = [train, *([val] if val else []), test]
    with console.status("reading") as status, TemporaryDirectory() as folder:
        events = read_events(paths, mapping, Path(folder))
        figures = measure_assignee(
            events,
            seed,
            lambda name, done, total: status.update(f"{name}: {done} of {total}"),
        )
    title = (
        f"{figures.test_handover_count:,} handovers among {figures.person_count} people, "
        f"{figures.train_handover_count:,} to learn from ({figures.overlap_count:,} of them "
        "answered in the test's time, left out strictly)"
    )
    print_table(console, title, ["", "track", *SHOWN, "seconds"], assignee_rows(figures))
    console.print(
        f"Among the candidates were {figures.candidate_recall:.1%} of those who took over; their "
        f"load's Gini was {figures.actual_load_gini:.3f}. {figures.seconds:.0f} s "
        f"({figures.replay_seconds:.0f} of them replaying), {figures.peak_mib:,.0f} MiB."
    )
    if json_path is not None:
        content = {"seed": seed, **asdict(figures)}
        write_json(json_path, "assignee", content, ["lightgbm", "implicit", "numpy", "pandas"])
