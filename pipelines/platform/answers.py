"""Ask the service about running workflows, as an application would, and show what it says."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from pipelines.contracts import WORKFLOW_MODELS, Alias, Model, Role
from pipelines.errors import PlatformError
from pipelines.platform.progress import progress_bars
from pipelines.platform.token import bearer
from pipelines.registry.figures import version_figures
from pipelines.registry.promote import alias_version
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.tables import workflows
from pipelines.store.moments import running_workflows

_SHOWN_METRICS: Final = {
    Model.REMAINING_TIME: {"mae_hours": "mean absolute error, hours"},
    Model.DELAY_RISK: {"auc": "area under the ROC curve", "brier": "Brier score"},
}
_ASKED: Final = 10
_PATHS: Final = {
    Model.REMAINING_TIME: "/predict_duration",
    Model.DELAY_RISK: "/assess_risk",
}
_LOADED_WAIT_S: Final = 60
_POLL_S: Final = 0.5
_TIMEOUT_S: Final = 30


@dataclass(frozen=True)
class AnswerRow:
    """What the service said of one workflow, and what became of it; None where unknown.

    A model that was not promoted says nothing.
    """

    workflow_id: str
    opened_at: datetime
    as_of: datetime
    closed_at: datetime | None
    remaining_time_s: float | None
    remaining_time_s_p10: float | None
    remaining_time_s_p90: float | None
    late_probability: float | None
    reason: str


def ask_service(settings: Settings, as_of: datetime, console: Console) -> list[AnswerRow]:
    """Ask about some workflows that run at `as_of`, evenly over their ages.

    Raises:
        PlatformError: this platform signs no tokens, no model was promoted, the service does not
            load one that was, or it answers with a problem.
        FeatureStoreError: the lake holds no history.
    """
    running = running_workflows(settings.lake, as_of).sort_values(["opened_at", "workflow_id"])
    if running.empty:
        raise PlatformError(f"No workflow is running at {as_of}: there is nothing to ask about.")
    step = max(1, len(running) // _ASKED)
    asked = running.iloc[::step].head(_ASKED)
    console.print(f"{len(running):,} workflows are running; asking about {len(asked)} of them.")
    ids = asked["workflow_id"].tolist()
    promoted = [
        m for m in WORKFLOW_MODELS if alias_version(m, Alias.CHAMPION, settings.mlflow) is not None
    ]
    if not promoted:
        raise PlatformError(
            "No model was promoted, so there is nobody to ask. Why: "
            + "; ".join(
                f.decision for m in WORKFLOW_MODELS for f in version_figures(m, settings.mlflow)
            )
        )
    with httpx.Client(
        base_url=settings.service,
        headers=bearer(settings, [Role.PREDICT], "demo"),
        timeout=_TIMEOUT_S,
        trust_env=False,
    ) as http:
        _wait_until_loaded(http, promoted, console)
        durations, risks = (
            _ask(http, path, ids, console) if model in promoted else {}
            for model, path in _PATHS.items()
        )
    closed = _closed_at(settings, ids)
    return [
        AnswerRow(
            workflow_id=workflow_id,
            opened_at=opened_at,
            as_of=datetime.fromisoformat(
                (durations.get(workflow_id) or risks[workflow_id])["as_of"]
            ),
            closed_at=closed.get(workflow_id),
            remaining_time_s=durations.get(workflow_id, {}).get("remaining_time_s"),
            remaining_time_s_p10=durations.get(workflow_id, {}).get("remaining_time_s_p10"),
            remaining_time_s_p90=durations.get(workflow_id, {}).get("remaining_time_s_p90"),
            late_probability=risks.get(workflow_id, {}).get("late_probability"),
            reason=next((r["text"] for r in risks.get(workflow_id, {}).get("reasons", ())), ""),
        )
        for workflow_id, opened_at in zip(ids, asked["opened_at"].tolist(), strict=True)
        if workflow_id in durations or workflow_id in risks
    ]


def print_answers(rows: Sequence[AnswerRow], console: Console) -> None:
    """Show predictions beside what really happened."""
    table = Table(box=None, header_style="bold")
    for name in ("workflow", "age", "will still take", "80 % within", "it took", "late", "mainly"):
        table.add_column(name, justify="left" if name in {"workflow", "mainly"} else "right")
    for row in rows:
        table.add_row(
            row.workflow_id,
            _span((row.as_of - row.opened_at).total_seconds()),
            _span(row.remaining_time_s),
            " to ".join(
                filter(None, map(_span, (row.remaining_time_s_p10, row.remaining_time_s_p90)))
            ),
            "open" if row.closed_at is None else _span((row.closed_at - row.as_of).total_seconds()),
            "" if row.late_probability is None else f"{row.late_probability:.0%}",
            row.reason,
        )
    console.print(table)


def print_models(settings: Settings, console: Console) -> None:
    """Show each model's figures beside its baseline, and what was decided about it."""
    table = Table(box=None, header_style="bold")
    for name in ("model", "version", "figure", "model's", "plain median's or share's"):
        table.add_column(name, justify="left" if name in {"model", "figure"} else "right")
    decisions = []
    for model, metrics in _SHOWN_METRICS.items():
        for figures in version_figures(model, settings.mlflow):
            decisions.append(f"{model} {figures.version} ({figures.alias}): {figures.decision}")
            for metric, meaning in metrics.items():
                own = figures.metrics.get(metric)
                simple = figures.metrics.get(f"baseline_median_{metric}")
                table.add_row(model, figures.version, meaning, _number(own), _number(simple))
    console.print(table)
    for decision in decisions:
        console.print(decision, markup=False)


def _wait_until_loaded(http: httpx.Client, promoted: Sequence[Model], console: Console) -> None:
    """Wait for the service to have picked up the champions; it looks for them by itself."""
    deadline = time.monotonic() + _LOADED_WAIT_S
    with progress_bars(console) as progress:
        bar = progress.add_task("service loads the champions", total=len(promoted))
        while True:
            answer = http.get("/models")
            states = answer.json()["models"] if answer.is_success else []
            loaded = [s for s in states if s["name"] in promoted and s["version"] is not None]
            progress.update(bar, completed=len(loaded))
            if len(loaded) == len(promoted):
                return
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"The service has not loaded {', '.join(promoted)} after {_LOADED_WAIT_S} s: "
                    f"{answer.text}. Its log says more; `workcast status` names it."
                )
            time.sleep(_POLL_S)


def _ask(
    http: httpx.Client, path: str, workflow_ids: list[str], console: Console
) -> dict[str, Any]:
    """Ask about all workflows at once; a workflow that cannot be answered has its own problem."""
    answer = http.post(path, json={"workflow_ids": workflow_ids})
    if answer.is_error or not answer.json()["answers"]:
        raise PlatformError(f"POST {path} answered {answer.status_code}: {answer.text}")
    for each in answer.json()["problems"]:
        console.print(f"{path}: {each['problem']['detail']}", markup=False)
    return {each["workflow_id"]: each for each in answer.json()["answers"]}


def _closed_at(settings: Settings, workflow_ids: list[str]) -> dict[str, datetime]:
    """Return what only the source database knows: the ends that lie after the watermark."""
    engine = open_engine(settings)
    try:
        with engine.connect() as connection:
            query = select(workflows.c.workflow_id, workflows.c.closed_at).where(
                workflows.c.workflow_id.in_(workflow_ids), workflows.c.closed_at.is_not(None)
            )
            return {row.workflow_id: row.closed_at for row in connection.execute(query)}
    finally:
        engine.dispose()


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _span(seconds: float | None) -> str:
    """Write a duration in the unit a person would choose."""
    if seconds is None:
        return ""
    span = timedelta(seconds=seconds)
    if span >= timedelta(days=2):
        return f"{span / timedelta(days=1):.1f} d"
    if span >= timedelta(hours=2):
        return f"{span / timedelta(hours=1):.1f} h"
    return f"{span / timedelta(minutes=1):.0f} min"
