"""The command `workcast bench remaining-time`; heavy libraries are imported inside it."""

from pipelines.bench.commands.options import (
    JsonOption,
    MappingOption,
    SeedOption,
    TestOption,
    TrainOption,
    TrialsOption,
    ValOption,
)


def remaining_time(
    *,
    train: TrainOption,
    val: ValOption = None,
    test: TestOption,
    mapping: MappingOption = None,
    trials: TrialsOption = 24,
    seed: SeedOption = 0,
    json_path: JsonOption = None,
) -> None:
    """Predict the remaining time of prefixes, beside medians; publicly, strictly, and uncut.

    The uncut track needs --val: its workflows are predicted as if there were no test log. How they
    ended is known; of workflows that still ran where the test log stops it is not.
    """
    from dataclasses import asdict

    from pipelines.bench.remaining_time import error_rows, measure_remaining_time
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
    paths = [train, *([val] if val else []), test]
    with console.status("reading") as status:
        figures = measure_remaining_time(paths, mapping, trials, seed, status.update)
    header = ["days", "MAE", "95 %", "median", "bias", "of best median", "in 80 %"]
    for track in figures.tracks:
        title = (
            f"{track.track}: {track.known_prefix_count:,} prefixes make the medians "
            f"({track.overlap_count:,} of them in the test period), "
            f"{track.train_prefix_count:,} of ended workflows the learner, "
            f"{track.test_prefix_count:,} of {track.test_workflow_count:,} workflows to predict"
        )
        print_table(console, title, header, error_rows(track))
    if figures.why_not_uncut:
        console.print(f"Not measured uncut: {figures.why_not_uncut}")
    console.print(f"{figures.seconds:.0f} s altogether, {figures.peak_mib:,.0f} MiB at most.")
    if json_path is not None:
        content = {"seed": seed, "trial_count": trials, **asdict(figures)}
        write_json(json_path, "remaining-time", content, ["lightgbm", "optuna", "scikit-learn"])
