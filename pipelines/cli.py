"""The `workcast` command.

Heavy libraries are imported inside the commands that need them, so that `--help` and errors
in a command line answer at once.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipelines.bench.commands import app as bench
from pipelines.contracts import FeatureView, Model
from pipelines.errors import WorkcastError
from pipelines.platform.token_command import app as token

_WIDTH = 150
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

app = typer.Typer(
    name="workcast",
    help="Learn from an organisation's workflow history and answer before the fact.",
    epilog="Settings are variables WORKCAST_…, also read from a file .env in this folder.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(bench)
app.add_typer(token)

LogArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Event log: XES or CSV, plain or .gz.")
]
MappingOption = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE.toml",
        help="Which column means what. Without it, the shipped mapping whose columns the log has.",
    ),
]
TasksOption = Annotated[
    int, typer.Option("--tasks", min=100, help="Tasks of the simulated company.")
]
SeedOption = Annotated[
    int | None, typer.Option(help="Same seed, same history. Default: WORKCAST_SEED.")
]


@app.command()
def up() -> None:
    """Start the local platform: every server whose URL is not set, with all state in one folder."""
    from pipelines.platform.pages import print_pages
    from pipelines.platform.supervise import up as start
    from pipelines.settings import get_settings

    start(get_settings(), console=console())
    print_pages(get_settings(), console())


@app.command()
def down() -> None:
    """Stop the local platform; state and logs stay."""
    from pipelines.platform.supervise import down as stop
    from pipelines.settings import get_settings

    count = stop(get_settings(), console=console())
    console().print(f"Stopped {count} programs." if count else "Nothing was running.")


@app.command()
def status() -> None:
    """Show each server of the platform, its health, address, restarts and memory.

    Exits with 1 unless all of them are healthy.
    """
    from pipelines.platform.pages import print_status
    from pipelines.settings import get_settings

    if not print_status(get_settings(), console()):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring every database to this version, before its servers start: owners, tables, registries.

    `workcast up` does this by itself; containers and clusters run it once before their servers.
    """
    from pipelines.platform.migrate import migrate_all
    from pipelines.settings import get_settings

    migrate_all(get_settings(), console())


@app.command()
def run(role: Annotated[str, typer.Argument(metavar="ROLE")]) -> None:
    """Become one server of the platform, as containers do; the others are named by URL settings.

    Roles: mlflow, evidently, airflow-api-server, airflow-scheduler, airflow-dag-processor,
    airflow-triggerer, airflow-worker. The service runs by itself: bentoml serve.
    """
    from pipelines.platform.role import become_role
    from pipelines.settings import get_settings

    become_role(get_settings(), role)


@app.command("configure-airflow")
def configure_airflow() -> None:
    """Write airflow.cfg from the settings, for a pod that runs a DAG task."""
    from pipelines.platform.role import configure_airflow
    from pipelines.settings import get_settings

    configure_airflow(get_settings())


@app.command("import-log")
def import_log(file: LogArgument, mapping: MappingOption = None) -> None:
    """Import an event log into the source database and tell the DAGs about it.

    Bad rows never stop an import silently: each lands in the table rejected_rows with its
    place and reason. Importing the same file again adds nothing.
    """
    from pipelines.platform.intake import announce, import_file
    from pipelines.settings import get_settings

    settings = get_settings()
    summary = import_file(settings, file, mapping, console())
    announce(settings, summary, console())


@app.command()
def simulate(
    tasks: TasksOption = 20_000,
    seed: SeedOption = None,
    change: Annotated[
        str | None,
        typer.Option(
            metavar="KIND@DATE",
            help="A change with a known date: person_leaves, template_changes or demand_doubles, "
            "for example demand_doubles@2024-09-01.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the history as an event log (.csv or .csv.gz) instead."),
    ] = None,
) -> None:
    """Simulate a company and load its history into the source database."""
    from pipelines.platform.intake import announce, simulate_history
    from pipelines.settings import get_settings

    settings = get_settings()
    summary = simulate_history(
        settings, console(), task_count=tasks, seed=seed, change=change, out=out
    )
    if summary is not None:
        announce(settings, summary, console())


@app.command()
def materialise() -> None:
    """Write the latest features from the lake to the online store, as known at the last build.

    For a Valkey that lost its data, and after a restore: `build_features` does it by itself. Rows
    that the lake does not have are removed. Safe to repeat; not while that DAG runs.
    """
    from pipelines.jobs.features import fill_online
    from pipelines.platform.progress import progress_bars
    from pipelines.settings import get_settings

    with progress_bars(console()) as bars:
        tasks = {view: bars.add_task(view.value, total=None) for view in FeatureView}
        result = fill_online(
            get_settings(),
            lambda view, done, total: bars.update(tasks[view], completed=done, total=total),
        )
        for view, count in result.rows.items():  # of an empty view nothing was told
            bars.update(tasks[view], completed=count, total=count)
    count = sum(result.rows.values())
    console().print(f"{count:,} rows written online; {result.removed_count:,} stale keys removed.")


@app.command()
def parity(
    sample: Annotated[int, typer.Option(min=1, help="Keys of each view to compare.")] = 1_000,
) -> None:
    """Compare the features online with what training would see, and write the certificate.

    Compared are a sample of every view's keys, expired and missing ones among them: values, nulls
    and times, as known at the watermark. Exits with 1 where anything differs.
    """
    from rich.table import Table

    from pipelines.jobs.parity import certify_now
    from pipelines.settings import get_settings
    from pipelines.store.certificate import require_parity

    certificate = certify_now(get_settings(), sample)
    table = Table("view", "keys compared", "values", "mismatches", box=None)
    for view in certificate.views:
        count = sum(view.sampled_key_counts.values())
        table.add_row(
            view.view, f"{count:,}", f"{view.compared_value_count:,}", f"{view.mismatch_count:,}"
        )
    console().print(table)
    console().print(f"As known at {certificate.watermark}; certificate {certificate.sha256}")
    require_parity(certificate)


@app.command()
def compare(
    model: Annotated[Model, typer.Argument(help="The model whose versions are compared.")],
    start: Annotated[
        datetime | None, typer.Option("--from", formats=_MOMENTS, help="Answers from here on, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="Answers before it, UTC.")
    ] = None,
) -> None:
    """Compare champion, challenger and shadow on logged answers whose outcome is known.

    The difference is against the champion, with its standard error; below 0 a version is better.
    WORKCAST_CHALLENGER_RATIO and WORKCAST_SHADOW_MODELS let the service ask challengers.
    """
    from rich.table import Table

    from pipelines.jobs.comparison import compare_model
    from pipelines.monitoring.comparison import LOSS
    from pipelines.settings import get_settings

    moments = [moment and moment.replace(tzinfo=UTC) for moment in (start, until)]
    table = Table("variant", "version", "answers", "workflows known", LOSS[model], "difference",
                  box=None)  # fmt: skip
    for record in compare_model(get_settings(), model, *moments):
        has_difference = record.difference == record.difference
        table.add_row(
            record.variant,
            record.model_version,
            f"{record.answer_count:,}",
            f"{record.known_workflow_count:,}",
            f"{record.loss:.4g}",
            f"{record.difference:+.3g} ± {record.difference_error:.2g}" if has_difference else "",
        )
    console().print(table)


@app.command("learn-expectations")
def learn_expectations(
    view: Annotated[FeatureView, typer.Option(help="The feature view to learn about.")],
    start: Annotated[
        datetime, typer.Option("--from", formats=_MOMENTS, help="Rows from here on, UTC.")
    ],
    until: Annotated[datetime, typer.Option(formats=_MOMENTS, help="Rows before it, UTC.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a file that is there; its review is lost.")
    ] = False,
) -> None:
    """Learn from a reference period what a feature view usually looks like.

    Writes a TOML file into WORKCAST_EXPECTATIONS_FOLDER, with what was observed, a tolerance and a
    severity for each expectation. Read it, change or delete what should not be expected, set
    reviewed = true at each entry you agree with and reviewed_by to your name: from then on the DAG
    build_features holds every build to it. Entries that nobody reviewed are only reported.
    """
    from pipelines.jobs.expectations import learn_view
    from pipelines.settings import get_settings

    moments = [moment.replace(tzinfo=UTC) for moment in (start, until)]
    path = learn_view(get_settings(), view, *moments, replace=replace)
    console().print(f"{path}: review it; until then its expectations are only reported.")


@app.command()
def demo(
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Event log; without it, the simulated company."),
    ] = None,
    mapping: MappingOption = None,
    tasks: TasksOption = 20_000,
    stop: Annotated[
        bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")
    ] = False,
    attach: Annotated[
        bool, typer.Option("--attach", help="Use servers that run already; start and stop none.")
    ] = False,
) -> None:
    """Run the whole platform on one history and ask it about the workflows then running."""
    from pipelines.platform.demo import run_attached, run_demo
    from pipelines.settings import get_settings

    if attach:
        run_attached(get_settings(), console(), log=log, mapping=mapping, task_count=tasks)
        return
    run_demo(get_settings(), console(), log=log, mapping=mapping, task_count=tasks, stop=stop)


def console() -> Console:
    """Return the console of people's messages; results that are data go to stdout as well."""
    told = Console(highlight=False)
    # Into a file or a pipe, tables need not fit a window.
    return told if told.is_terminal else Console(highlight=False, width=_WIDTH)


def main() -> None:
    """Run the command line; a known error is one clear message and exit code 1."""
    try:
        app()
    except WorkcastError as err:
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(str(err))}")
        sys.exit(1)
