"""What a reader must know about a model before trusting it, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from pipelines.contracts import WORKFLOW_MODELS, Model
from pipelines.learning.canvas import feature_label
from pipelines.learning.gate import RULES
from pipelines.learning.metrics import Metrics

_PURPOSE: Final = {
    Model.REMAINING_TIME: "How long a running workflow will still take: the median, and an "
    "interval (p10 to p90) meant to hold four of five cases.",
    Model.DELAY_RISK: "The probability that a running workflow ends late, and what drives it. How "
    "many are late follows the latest workflows it learned from, half the way.",
    Model.TASK_DURATION: "How long a task will wait, be worked on, and take in all, given who "
    "does it: the median, and intervals meant to hold four of five and nine of ten.",
    Model.ASSIGNEE: "Who should do a task: the people who could, ranked by how likely each of "
    "them would take it.",
    Model.TEMPLATE: "Which template a new workflow should follow, with the lead time and the "
    "share in time that such workflows had.",
    Model.NEXT_ACTIVITY: "Which activities may follow in a running workflow, and how likely.",
}
_ROWS: Final = {
    **dict.fromkeys(WORKFLOW_MODELS, "prediction moments"),
    Model.TASK_DURATION: "durations of tasks",
    Model.ASSIGNEE: "tasks given to someone",
    Model.TEMPLATE: "openings",
    Model.NEXT_ACTIVITY: "events",
}
_LATE_RULES: Final = {
    "due_date": "closed after its due date",
    "outcome": "late by the outcome the log itself records at closing",
    "lead_time_quantile": "a lead time beyond the chosen quantile of its template's lead times "
    "in the training period",
}
_RARE_VALUES: Final = (
    "People, teams, activities and attribute values with fewer than five training workflows are "
    "treated alike."
)
_OPEN: Final = "not closed"
_UNKNOWN: Final = {Model.DELAY_RISK: "neither closed nor overdue"}
_STAND_FOR_OTHERS: Final = (
    " The others count for those like them that were left out, in training and in the figures "
    "below: the longer it takes until something is known, the less time there was."
)
_UNENDED: Final = (
    "Measured on workflows that have ended: those that run longest are under-represented near the "
    "end of the period."
)
_OVERDUE: Final = {
    Model.DELAY_RISK: "Measured on workflows that have ended, and on those to which something "
    "happened when they were overdue: a silent one counts only when it ends. Moments at which one "
    "was overdue already are learned from, but not judged: the answer there is 1, whatever was "
    "learned.",
}
_LATER_WORKFLOWS: Final = (
    "later training workflows that had time to end, each counting for those like it that had not "
    "(or on every fifth workflow, where they are all late or all in time)"
)
_TRIED_ON: Final = {Model.TASK_DURATION: "the tasks of the latest training workflows"}
_LIMITS: Final = {
    Model.ASSIGNEE: "It learned who took tasks, not who did them best; who is on leave it sees "
    "only by their silence.",
}
_WEIGHT: Final = dict.fromkeys(WORKFLOW_MODELS, "mean absolute contribution")
_ABOUT_LATENESS: Final = (Model.DELAY_RISK, Model.TEMPLATE)
_SHOWN_FEATURES: Final = 15


def model_card(
    model: Model,
    facts: Mapping[str, Any],
    *,
    metrics: Metrics,
    baselines: Mapping[str, Metrics],
    segments: Mapping[str, pd.DataFrame],
    importance: Mapping[str, float],
) -> str:
    """Write the card.

    Args:
        model: which one.
        facts: the model's facts: periods, counts, late rule, beats_baseline, and what was
            `tried`, or else what was chosen (`choice`).
        metrics: the model's on the test rows.
        baselines: each baseline's on the same rows.
        segments: metrics by segment.
        importance: mean absolute contribution, or share of the trees' gain, by feature.
    """
    lines = [f"# {model.value}", "", _PURPOSE[model], ""]
    if not facts["beats_baseline"]:
        lines += [
            (
                f"**It does not beat the baseline ({RULES[model].baseline}) on the later period "
                "and must not answer.**"
            ),
            "",
        ]
    lines += ["## Data", "", *_data(model, facts), ""]
    if model in _ABOUT_LATENESS:
        rule = _LATE_RULES.get(facts["late_rule"], facts["late_rule"])
        lines += [f"Late means: {rule}.", ""]
    chosen = _choice(facts) if "choice" in facts else _trials(model, facts)
    lines += ["## How it was chosen", "", *chosen, ""]
    lines += ["## On the later period", ""]
    lines += _table(["measure", "model", *baselines], _metric_rows(metrics, baselines))
    for name, table in segments.items():
        if not table.empty:
            lines += ["", f"## By {name}", ""]
            lines += _table(list(table.columns), table.to_numpy().tolist())
    top = sorted(importance.items(), key=lambda item: -item[1])[:_SHOWN_FEATURES]
    lines += ["", "## What moves it most", ""]
    lines += _table(
        ["feature", _WEIGHT.get(model, "share of the gain")],
        [[feature_label(n), v] for n, v in top],
    )
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in _limits(model, facts)), ""]
    return "\n".join(lines)


def _data(model: Model, facts: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            "opened",
            f"{facts['train_start']} to {facts['test_start']}",
            f"{facts['test_start']} to {facts['test_end']}",
        ],
        ["workflows", facts["train_workflow_count"], facts["test_workflow_count"]],
        [_ROWS[model], facts["train_row_count"], facts["test_row_count"]],
    ]
    return [
        *_table(["", "training", "later period"], rows),
        "",
        (
            f"Left out: {facts['open_at_split_count']} workflows {_UNKNOWN.get(model, _OPEN)} when "
            f"the later period began, and {facts['not_closed_count']} opened later that still are."
            f"{_STAND_FOR_OTHERS if model in WORKFLOW_MODELS else ''}"
        ),
    ]


def _trials(model: Model, facts: Mapping[str, Any]) -> list[str]:
    tried = sorted(
        facts["tried"], key=lambda one: (one.get("span", ""), -one["weight"], one["reached"])
    )
    settings = [name for name in tried[0] if name not in {"weight", "reached"}]
    rows = [
        [
            f"{one['weight']:.0%}" if one["weight"] else "",
            one["reached"],
            *(one[name] for name in settings),
        ]
        for one in tried
    ]
    header = [
        "weight",
        f"validation {facts['validation_measure']}",
        *(name.replace("_", " ") for name in settings),
    ]
    return [
        (
            f"Tried on {_TRIED_ON.get(model, _LATER_WORKFLOWS)}, "
            "learning from 40,000 rows or so at most; what has a weight is blended. A set of "
            "columns holds those before it and has to earn half a percent: counts that grow with "
            "the history tell what day it is, and a model must not learn the days by heart. With a "
            "half-life, recent rows count more; of durations, that has to earn two percent."
        ),
        "",
        *_table(header, rows),
    ]


def _choice(facts: Mapping[str, Any]) -> list[str]:
    rows = [[name.replace("_", " "), value] for name, value in facts["choice"].items()]
    return [
        "By the latest training workflows, which then trained it too.",
        "",
        *_table(["what", "chosen or reached"], rows),
    ]


def _metric_rows(metrics: Metrics, baselines: Mapping[str, Metrics]) -> list[list[Any]]:
    return [
        [name, value, *(baseline.get(name) for baseline in baselines.values())]
        for name, value in metrics.items()
    ]


def _limits(model: Model, facts: Mapping[str, Any]) -> list[str]:
    limits = [
        _OVERDUE.get(model, _UNENDED),
        _LIMITS.get(model, _RARE_VALUES),
        "It describes what happened, not what would happen if someone else did the work.",
    ]
    if facts["late_rule"] == "lead_time_quantile":
        limits.append("Without due dates, late is relative: some workflows are late by definition.")
    return limits


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows),
    ]


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(value).replace("|", "/")
