"""Policies every DAG follows, checked on the parsed DAGs themselves."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from airflow.sdk import DAG, Asset

from dags import (
    assets,
    build_features,
    extract_history,
    monitor_drift,
    promote_models,
    raise_alerts,
    train_models,
)
from pipelines.contracts import AssetName, DagId, Model

FOLDER = Path(assets.__file__).parent
HEAVY = (
    "pandas", "numpy", "pyarrow", "duckdb", "ibis", "mlflow", "feast", "great_expectations",
    "evidently", "lightgbm", "sklearn", "bentoml", "matplotlib", "scipy", "simpy",
)  # fmt: skip


@cache
def dag(dag_id: DagId) -> DAG:
    modules = (
        extract_history,
        build_features,
        train_models,
        promote_models,
        monitor_drift,
        raise_alerts,
    )
    module = next(m for m in modules if m.__name__.endswith(dag_id))
    return getattr(module, dag_id)()


def test_one_file_a_dag() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "assets", "defaults"}
    assert files == set(DagId)


@pytest.mark.parametrize("dag_id", DagId)
def test_parsing_imports_no_heavy_library(dag_id: DagId) -> None:
    code = (
        f"import runpy, sys; runpy.run_path({str(FOLDER / f'{dag_id}.py')!r}); "
        f"print(*(m for m in {HEAVY!r} if m in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().splitlines()[-1:] in ([], [""])


@pytest.mark.parametrize("dag_id", DagId)
def test_page_explains_the_dag(dag_id: DagId) -> None:
    text = dag(dag_id).doc_md or ""
    for topic in ("**When it runs**", "**Parameters**", "**Retry, rerun, backfill**"):
        assert topic in text
    for task_id in dag(dag_id).task_ids:
        model = next((model for model in Model if task_id.endswith(f"_{model}")), None)
        stem = task_id.removesuffix(f"_{model}")
        is_told = f"`{task_id}`" in text or f"`{stem}" in text
        assert stem == "announce" or is_told, f"{task_id} is not explained"


@pytest.mark.parametrize("dag_id", DagId)
def test_runs_cannot_cross_and_every_task_may_be_retried(dag_id: DagId) -> None:
    assert dag(dag_id).max_active_runs == 1
    assert not dag(dag_id).catchup
    assert all(task.retries >= 1 for task in dag(dag_id).tasks)


@pytest.mark.parametrize("dag_id", DagId)
def test_parameters_are_described_and_optional(dag_id: DagId) -> None:
    params = dag(dag_id).params
    assert all(params.get_param(name).description for name in params)
    params.validate()


@pytest.mark.parametrize("dag_id", DagId)
def test_task_bodies_are_wiring(dag_id: DagId) -> None:
    tree = ast.parse((FOLDER / f"{dag_id}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            "task" in ast.dump(d) for d in node.decorator_list
        ):
            work = [s for s in node.body if not isinstance(s, ast.ImportFrom)]
            assert len(work) <= 4, f"{node.name} does more than call one function"
            logic = [s for s in ast.walk(node) if isinstance(s, ast.For | ast.While | ast.Try)]
            # To tell Airflow that an error is a skip, it must be caught here.
            logic = [s for s in logic if "AirflowSkipException" not in ast.dump(s)]
            assert not logic, f"{node.name} has logic of its own"


def test_assets_tie_the_dags_into_one_chain() -> None:
    chain = [AssetName.SOURCE_HISTORY]
    for dag_id in [dag_id for dag_id in DagId if dag_id is not DagId.RAISE_ALERTS]:
        (trigger,) = dag(dag_id).timetable.asset_condition.objects
        assert trigger.name == chain[-1], f"{dag_id} is not started by {chain[-1]}"
        outlets = {o.name for t in dag(dag_id).tasks for o in t.outlets if isinstance(o, Asset)}
        assert len(outlets) == (0 if dag_id is DagId.MONITOR_DRIFT else 1)
        chain += [AssetName(name) for name in outlets]
    assert chain == list(AssetName)


def test_alerts_follow_new_features_and_new_champions() -> None:
    triggers = dag(DagId.RAISE_ALERTS).timetable.asset_condition.objects
    assert [trigger.name for trigger in triggers] == [AssetName.FEATURES, AssetName.PROMOTIONS]
    assert not [o for t in dag(DagId.RAISE_ALERTS).tasks for o in t.outlets]
