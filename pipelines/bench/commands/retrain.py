"""The command `workcast bench retrain`; heavy libraries are imported inside it."""

from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def retrain(
    *,
    tasks: Annotated[int, typer.Option(min=500, help="Tasks of the simulated company.")] = 20_000,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Learners and hyper-parameters; not given: as the DAG does."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Trainings at a time, the second time.")] = 2,
    prefixes: Annotated[int, typer.Option(min=1, help="Moments to predict for.")] = 100_000,
    json_path: JsonOption = None,
) -> None:
    """Train all models of a company anew, one by one and together, and predict for many moments.

    It starts all it needs on free ports: PostgreSQL, Valkey and MLflow. Each training does what its
    DAG task does, in a process of its own.
    """
    from dataclasses import asdict

    from pipelines.bench.report import open_console, print_table, write_json
    from pipelines.bench.retrain import measure_retraining

    console = open_console()
    with console.status("making a company") as status:
        found = measure_retraining(
            tasks,
            trials,
            at_once,
            prefixes,
            lambda name, done, total: status.update(f"{name} ({done} of {total})"),
        )
    rows = [
        (one.model.value, f"{one.seconds:.1f}", f"{one.peak_mib:,.0f}", one.version or "too little")
        for one in found.trainings
    ]
    rows.append(("one after the other", f"{found.one_by_one_s:.1f}", "", ""))
    rows.append((f"{found.at_once} at a time", f"{found.together_s:.1f}", "", ""))
    title = f"Training on a company of {tasks:,} tasks"
    print_table(console, title, ["", "seconds", "peak MiB", "version"], rows)
    print_table(
        console,
        "",
        [f"predicting for {found.prefix_count:,} moments", "seconds"],
        [(model.value, f"{seconds:.2f}") for model, seconds in found.prediction_s.items()],
    )
    if json_path is not None:
        content = {"task_count": tasks, **asdict(found), "one_by_one_s": found.one_by_one_s}
        write_json(json_path, "retrain", content, ["lightgbm", "scikit-learn", "optuna", "mlflow"])
