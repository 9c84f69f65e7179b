"""From nothing to answers through the real scheduler, on the simulated company."""

import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import httpx
import mlflow
import pandas as pd
import pytest
from rich.console import Console
from sqlalchemy import select, text

from pipelines.contracts import WORKFLOW_MODELS, DagId, Model
from pipelines.platform.airflow_client import AirflowClient
from pipelines.platform.answers import ask_service
from pipelines.platform.demo import learn
from pipelines.platform.intake import simulate_history
from pipelines.platform.processes import find_processes
from pipelines.platform.supervise import down, up
from pipelines.registry.figures import version_figures
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.tables import predictions

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

CONSOLE = Console(quiet=True)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def learned() -> Iterator[tuple[Settings, datetime]]:
    """A platform that has learned from a simulated company up to a past moment."""
    names = ("airflow", "mlflow", "service", "evidently", "valkey")
    ports = {f"{n}_port": p for n, p in zip(names, free_ports(len(names)), strict=True)}
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=Path(mkdtemp(prefix="workcast-demo-")),
        **ports,
    )
    try:
        up(settings, console=CONSOLE)
        simulate_history(settings, CONSOLE, task_count=20_000)
        yield settings, learn(settings, CONSOLE)
    finally:
        down(settings)
        assert find_processes(settings.home) == []


def test_answers_are_the_registered_models(learned: tuple[Settings, datetime]) -> None:
    settings, as_of = learned
    rows = ask_service(settings, as_of, CONSOLE)
    assert len(rows) >= 5
    assert {row.as_of for row in rows} == {as_of}
    engine = open_engine(settings)
    deadline = datetime.now(UTC).timestamp() + 30
    while datetime.now(UTC).timestamp() < deadline:
        with engine.connect() as connection:
            logged = pd.read_sql(select(predictions), connection)
        if len(logged) >= 2 * len(rows):
            break
    engine.dispose()
    mlflow.set_tracking_uri(settings.mlflow)
    answered = {row.workflow_id: row for row in rows}
    for model, column in (
        (Model.REMAINING_TIME, "remaining_time_s"),
        (Model.DELAY_RISK, "late_probability"),
    ):
        champion = mlflow.pyfunc.load_model(f"models:/{model}@champion")
        of_model = logged[logged["model_name"] == model]
        assert len(of_model) == len(rows)
        names = champion.metadata.get_input_schema().input_names()
        expected = champion.predict(pd.DataFrame(of_model["features"].tolist())[names])[column]
        got = [getattr(answered[workflow_id], column) for workflow_id in of_model["workflow_id"]]
        assert got == pytest.approx(expected.tolist(), rel=1e-6)


def test_models_beat_their_medians_on_the_later_period(
    learned: tuple[Settings, datetime],
) -> None:
    settings, _ = learned
    (duration,) = version_figures(Model.REMAINING_TIME, settings.mlflow)
    assert duration.metrics["mae_hours"] < duration.metrics["baseline_median_mae_hours"]
    (risk,) = version_figures(Model.DELAY_RISK, settings.mlflow)
    assert risk.metrics["auc"] > 0.55


def test_every_dag_ran_once_and_left_its_pages(learned: tuple[Settings, datetime]) -> None:
    settings, _ = learned
    with AirflowClient.of(settings) as client:
        runs = client.runs(datetime(2020, 1, 1, tzinfo=UTC))
    run_counts = Counter(run.dag_id for run in runs)
    # Once for the features, and once more for the first champions.
    assert run_counts.pop(DagId.RAISE_ALERTS) in {1, 2}
    assert run_counts == Counter(set(DagId) - {DagId.RAISE_ALERTS})
    assert {run.state for run in runs} == {"success"}
    projects = httpx.get(f"{settings.evidently}/api/projects").json()
    assert {p["name"] for p in projects} == {f"Workcast {model}" for model in WORKFLOW_MODELS}
    assert len(list(settings.reports_dir.glob("*.html"))) == len(WORKFLOW_MODELS)
    docs = settings.docs_dir / "uncommitted" / "data_docs" / "local_site" / "index.html"
    assert "history_task_events" in docs.read_text()
    assert httpx.get(f"{settings.mlflow}/health").is_success


def test_nothing_recorded_after_the_moment_reached_the_lake(
    learned: tuple[Settings, datetime],
) -> None:
    settings, as_of = learned
    engine = open_engine(settings)
    with engine.connect() as connection:
        later = text("SELECT count(*) FROM workflow.task_events WHERE recorded_at >= :as_of")
        assert connection.execute(later, {"as_of": as_of}).scalar_one() > 100
    engine.dispose()
    for folder, column in (
        ("history/task_events", "recorded_at"),
        ("features", "created_timestamp"),
    ):
        files = Path(settings.lake, folder).rglob("part.parquet")
        newest = max(pd.read_parquet(file, columns=[column])[column].max() for file in files)
        assert newest < as_of
