"""`make demo`: the whole platform on one history, from nothing to answers.

The history is cut at a past moment: the platform learns what had been recorded before it,
answers for the workflows then running, and the source database, which knows the rest, says
what really happened.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from pipelines.contracts import AssetName, DagId
from pipelines.errors import PlatformError
from pipelines.platform.airflow_client import AirflowClient, wait_for_dags
from pipelines.platform.answers import ask_service, print_answers, print_models
from pipelines.platform.chain import follow_chain
from pipelines.platform.intake import import_file, simulate_history
from pipelines.platform.pages import print_pages, print_status
from pipelines.platform.progress import progress_bars
from pipelines.platform.status import require_supervised
from pipelines.platform.supervise import down, up
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.moments import past_moment

# Share of the events before the moment at which the demo asks.
_KNOWN_SHARE: Final = 0.9
_DAGS_WAIT_S: Final = 120
# How long a server that was killed may take to be back.
_PATIENCE_S: Final = 60


def run_demo(
    settings: Settings,
    console: Console,
    *,
    log: Path | None = None,
    mapping: Path | None = None,
    task_count: int = 20_000,
    stop: bool = False,
) -> None:
    """Run the demo; with `stop` everything is stopped at the end, else it stays until Ctrl-C.

    Raises:
        WorkcastError: a step failed; the platform is stopped first.
    """
    settings = own_home(settings, log)
    begun = time.monotonic()
    with _stopping(settings, console):
        console.rule(f"1/4 platform in {settings.home}")
        up(settings, console=console)
        _history_to_answers(settings, console, log, mapping, task_count)
        print_pages(settings, console)
        console.print(f"Done in {time.monotonic() - begun:.0f} s.")
        if not stop:
            _stay(settings, console)


def run_attached(
    settings: Settings,
    console: Console,
    *,
    log: Path | None = None,
    mapping: Path | None = None,
    task_count: int = 20_000,
) -> None:
    """Run the demo on servers that somebody else runs and the URL settings name.

    Raises:
        WorkcastError: a step failed, or a server does not answer.
    """
    begun = time.monotonic()
    console.rule("1/4 platform")
    if not print_status(settings, console):
        raise PlatformError("Not every server is healthy; see the table above.")
    _history_to_answers(settings, console, log, mapping, task_count)
    console.print(f"Done in {time.monotonic() - begun:.0f} s.")


def _history_to_answers(
    settings: Settings, console: Console, log: Path | None, mapping: Path | None, task_count: int
) -> None:
    console.rule("2/4 history")
    if log is None:
        simulate_history(settings, console, task_count=task_count)
    else:
        import_file(settings, log, mapping, console)
    console.rule("3/4 DAGs")
    as_of = learn(settings, console)
    console.rule(f"4/4 answers as of {as_of:%Y-%m-%d %H:%M} UTC")
    print_answers(ask_service(settings, as_of, console), console)
    print_models(settings, console)


def own_home(settings: Settings, log: Path | None) -> Settings:
    """Give each log a folder of its own, so that no two organisations' histories mix."""
    if log is None:
        return settings
    stem = log.name.split(".")[0]
    return settings.model_copy(
        update={"home": settings.home.with_name(f"{settings.home.name}-{stem}")}
    )


def learn(settings: Settings, console: Console) -> datetime:
    """Announce the history up to a past moment and follow the DAGs; return that moment.

    Raises:
        PlatformError: a DAG failed or did not run.
        SourceError: the source database holds no history.
    """
    engine = open_engine(settings)
    try:
        as_of = past_moment(engine, _KNOWN_SHARE)
    finally:
        engine.dispose()

    def check() -> None:
        if settings.airflow_url is None:  # else whoever runs it restarts it
            require_supervised(settings)

    with AirflowClient.of(settings, _PATIENCE_S) as client, progress_bars(console) as progress:
        wait_for_dags(client, list(DagId), timeout_s=_DAGS_WAIT_S)
        since = datetime.now(UTC)
        client.create_asset_event(AssetName.SOURCE_HISTORY, {"end": as_of.isoformat()})
        follow_chain(client, since, progress, check=check)
    return as_of


@contextmanager
def _stopping(settings: Settings, console: Console) -> Iterator[None]:
    """Stop the platform however the block ends; SIGTERM ends it as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("Interrupted.")
        raise
    finally:
        down(settings, console=console)
        signal.signal(signal.SIGTERM, previous)


def _stay(settings: Settings, console: Console) -> None:
    console.print(
        f"The platform stays up until Ctrl-C. For `workcast` in another shell: "
        f"export WORKCAST_HOME={settings.home}"
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
