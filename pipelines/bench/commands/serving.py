"""The command `workcast bench serving`; heavy libraries are imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def serving(
    *,
    connections: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Connections kept busy; not given: 1, 8 and 32."),
    ] = None,
    workers: Annotated[
        list[int] | None, typer.Option(min=1, help="Workers of both servers; not given: 1 and 2.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; ratios are their medians.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.2, help="Length of one measurement.")] = 3,
    soak: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, help="Length of the long run; 0: none.")
    ] = 0,
    endpoints: Annotated[bool, typer.Option(help="Put every endpoint under load.")] = True,
    tasks: Annotated[int, typer.Option(min=500, help="Tasks of the simulated company.")] = 12_000,
    folder: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep the company there, and use it the next time."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Measure this running service of the platform that the settings name."),
    ] = None,
    workload: Annotated[
        Path | None,
        typer.Option(metavar="OUT", dir_okay=False, help="Write the recorded workload to a file."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Ask the service beside a bare Starlette, uvicorn and LightGBM server, over loopback.

    It starts all it needs on free ports: PostgreSQL, Valkey, MLflow, the service with its guard
    and its prediction log, and the bare server, which is handed the finished rows of the same
    models. One connection is a socket of this process, with exact latencies; several are wrk's
    (Debian's package), because a client in Python would take the cores from the servers.
    """
    from pipelines.bench.report import open_console
    from pipelines.bench.serving.measure import Plan
    from pipelines.bench.serving.report import measured, print_found, write_found
    from pipelines.bench.serving.workload import write_workload

    console = open_console()
    plan = Plan(
        connections or (1, 8, 32),
        workers or ((1,) if url else (1, 2)),
        rounds,
        seconds,
        soak,
        endpoints,
    )
    found = measured(plan, console, folder=folder, task_count=tasks, url=url)
    print_found(found, console)
    if workload is not None:
        write_workload(workload, found.openings)
    if json_path is not None:
        write_found(found, json_path)
