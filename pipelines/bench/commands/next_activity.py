"""The command `workcast bench next-activity`; heavy libraries are imported inside it."""

from pipelines.bench.commands.options import (
    JsonOption,
    MappingOption,
    SeedOption,
    TestOption,
    TrainOption,
    ValOption,
)


def next_activity(
    *,
    train: TrainOption,
    val: ValOption = None,
    test: TestOption,
    mapping: MappingOption = None,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Predict the next activity of every prefix, or the end, beside majority and trigram."""
    from dataclasses import asdict

    from pipelines.bench.next_activity import measure_next_activity, next_activity_rows
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
    paths = [train, *([val] if val else []), test]
    with console.status("reading") as status:
        figures = measure_next_activity(paths, mapping, seed, status.update)
    title = (
        f"{figures.train_event_count:,} events to learn from; {figures.test_event_count:,} of "
        f"{figures.test_workflow_count:,} workflows to predict what follows, of "
        f"{figures.class_count} classes"
    )
    header = ["", "accuracy", "macro F1", "Hit@3", "MRR", "points ahead of trigram [95 %]"]
    print_table(console, title, [*header, "seconds", "peak MiB"], next_activity_rows(figures))
    if json_path is not None:
        content = {"seed": seed, **asdict(figures)}
        write_json(json_path, "next-activity", content, ["lightgbm", "scikit-learn", "scipy"])
