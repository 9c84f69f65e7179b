"""What the service counts for Prometheus, beside BentoML's own requests and latencies.

BentoML gathers these from every worker: its worker processes are started with the shared
folder that prometheus_client writes to.
"""

from datetime import datetime
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pipelines.monitoring.batch_log import LogCounts

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

ANSWERS: Final = Counter(
    "workcast_answers", "Answers by model, version, state and variant; no one is sent `shadow`.",
    ["model", "version", "variant", "is_degraded"],
)  # fmt: skip
ANSWER_SECONDS: Final = Histogram(
    "workcast_answer_seconds", "Time from a question's arrival in the app to its answer.",
    ["model", "version", "variant"], buckets=_BUCKETS,
)  # fmt: skip
FEATURES_SECONDS: Final = Histogram(
    "workcast_features_seconds", "Time to read the features of what is answered at once.",
    ["model"], buckets=_BUCKETS,
)  # fmt: skip
INFERENCE_SECONDS: Final = Histogram(
    "workcast_inference_seconds", "Time of the model, reasons included, for what is answered at "
    "once.",
    ["model"], buckets=_BUCKETS,
)  # fmt: skip
SWAPS: Final = Counter(
    "workcast_model_swaps", "Versions that took over (`taken`, `from_disk`), were kept out by "
    "their check (`refused`) or could not be fetched (`not_loaded`).",
    ["model", "alias", "result"],
)  # fmt: skip
CACHE: Final = Counter(
    "workcast_cache", "Single questions by what the cache did: `hit`, `miss`, `first` (not asked "
    "lately) or `bypass` (off, slow or away, features being written, or the clock stale).",
    ["model", "result"],
)  # fmt: skip
REGISTRY_EVENTS: Final = Counter(
    "workcast_registry_events", "Signed events of the model registry that were taken."
)
FEEDBACK: Final = Counter(
    "workcast_feedback", "Feedback that was taken, by what became of the answer.", ["verdict"]
)
SHADOWS_DROPPED: Final = Counter(
    "workcast_shadow_dropped", "Shadow answers not computed because too many waited."
)
WAITING: Final = Gauge(
    "workcast_waiting", "What waits: `answers` to be given, and behind them `shadow` answers to "
    "compute, `cache` entries to write, `log` rows to insert.",
    ["queue"], multiprocess_mode="livesum",
)  # fmt: skip
DEGRADED: Final = Gauge(
    "workcast_degraded", "1 while a part behind the answers is away: `features` (the online "
    "store), `clock`, `source` and `log` (the database), `registry`.",
    ["part"], multiprocess_mode="livemax",
)  # fmt: skip
FEATURES_AS_OF: Final = Gauge(
    "workcast_features_as_of_seconds", "Moment that the features online speak of, since 1970.",
    multiprocess_mode="livemax",
)  # fmt: skip
LOG_ROWS: Final = Gauge(
    "workcast_prediction_log_rows", "Predictions of the log since the start, by what became of "
    "them; `queued` and `waiting_files` are present numbers.",
    ["state"], multiprocess_mode="livesum",
)  # fmt: skip

AUDIT_ROWS: Final = Gauge(
    "workcast_audit_log_rows", "Audit entries since the start, by what became of them; `queued` "
    "and `waiting_files` are present numbers.",
    ["state"], multiprocess_mode="livesum",
)  # fmt: skip
REFUSALS: Final = Counter(
    "workcast_refusals", "Requests that the guard answered itself, by reason.", ["reason"]
)
RATE_FAILURES: Final = Counter(
    "workcast_rate_limit_failures", "Times that Valkey did not take the counts of requests; "
    "each worker limits by its own until it does.",
)  # fmt: skip
HANG_UPS: Final = Counter(
    "workcast_hang_ups", "Connections that a worker closed because another had less to do."
)


def show_clock(as_of: datetime | None) -> None:
    """Show how far the features have come; nothing before the first build."""
    if as_of is not None:
        FEATURES_AS_OF.set(as_of.timestamp())


def show_log(rows: Gauge, counts: LogCounts) -> None:
    """Show the state of a log."""
    for state, count in (
        ("queued", counts.queued_count),
        ("written", counts.written_count),
        ("spilled", counts.spilled_count),
        ("refused", counts.refused_count),
        ("lost", counts.lost_count),
        ("waiting_files", counts.waiting_file_count),
    ):
        rows.labels(state).set(count)
