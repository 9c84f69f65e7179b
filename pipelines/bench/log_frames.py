"""Event logs as learners read them: every event with the features known at its moment.

The way is the platform's own: the log's history, the feature views, the join as known. A
benchmark differs in one point: a workflow counts as closed once it has been quiet for longer
than 99 % of the pauses in the first log, those that ended before the next log began. That an event
is the last one does not say so.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore, RepoConfig

from pipelines.bench.features_history import write_table
from pipelines.contracts import EVENT_TIMESTAMP, HistoryTable, Model
from pipelines.errors import BenchmarkError
from pipelines.features.build import build_features
from pipelines.features.history import SCHEMAS
from pipelines.features.request_time import REQUEST_TIME_COLUMNS, add_request_time
from pipelines.history.choose import choose_mapping
from pipelines.history.mapping import load_mapping
from pipelines.history.read import read_log
from pipelines.history.schema import TIMESTAMP
from pipelines.store.definitions import PROJECT, feast_definitions
from pipelines.store.training_sets import DERIVED_KEYS, training_set

Progress = Callable[[str], None]

_PARTITION: Final = "month"
_SERVICE: Final = Model.REMAINING_TIME.value  # reads every view
_REQUEST_TIME: Final = [column.name for column in REQUEST_TIME_COLUMNS]
_QUIET_QUANTILE: Final = 0.99
_OFFLINE_STORE: Final = "pipelines.store.offline.DuckDBLakeOfflineStore"
_ROW_COLUMNS: Final = [
    "workflow_id",
    "activity",
    "transition",
    "person_id",
    "team_id",
    "occurred_at",
    "recorded_at",
    "row_number",
]


@dataclass(frozen=True)
class LogFrames:
    """What the logs tell.

    `events` has one row per event of the logs, duplicates included, in order of workflow and
    time: workflow_id, activity, transition, person_id, team_id, as_of (when it happened),
    recorded_at, log (position of its file), prefix_length (1, 2, …), opened_at (the workflow's
    first event), the hindsight event_count_total and last_event_at_total, and the features known
    at its moment as `training_set` names them, which alone `feature_frame` keeps. `tasks` and
    `workflows` are the history's tables.
    """

    events: pd.DataFrame = field(repr=False)
    tasks: pd.DataFrame = field(repr=False)
    workflows: pd.DataFrame = field(repr=False)
    late_label_count: int


def read_logs(
    paths: Sequence[Path],
    mapping_path: Path | None,
    folder: Path,
    progress: Progress = lambda _: None,
) -> LogFrames:
    """Read event logs and compute the features at each of their events.

    Args:
        paths: logs of one format; no workflow may occur in two.
        mapping_path: what their columns mean; None takes the shipped mapping that fits.
        folder: for the lake and what is read; nothing else may be in it.
        progress: told what is done.

    Raises:
        BenchmarkError: a workflow occurs in two logs.
        LogFormatError, MappingError: see `read_log`.
    """
    mapping = load_mapping(mapping_path) if mapping_path else choose_mapping(paths[0])
    tables: dict[str, list[pa.Table]] = {"task_events": [], "tasks": [], "workflows": []}
    rows: list[pd.DataFrame] = []
    for number, path in enumerate(paths):
        progress(f"reading {path.name}")
        scratch = folder / f"log{number}"
        files = read_log(path, mapping, scratch, datetime.now(UTC))
        for name, found in tables.items():
            found.append(pq.read_table(getattr(files, name)))
        log_rows = pq.read_table(scratch / "log_rows.parquet", columns=_ROW_COLUMNS)
        rows.append(log_rows.to_pandas().assign(log=number))
    history = {name: pa.concat_tables(found) for name, found in tables.items()}
    workflows = history["workflows"].to_pandas()
    if workflows["workflow_id"].duplicated().any():
        twice = workflows.loc[workflows["workflow_id"].duplicated(), "workflow_id"].iloc[0]
        raise BenchmarkError(f"Workflow {twice!r} occurs in two logs; give logs of their own.")
    events = _numbered(pd.concat(rows))
    progress("computing features")
    lake = str(folder / "lake")
    _write_lake(lake, history, _closures(events))
    with warnings.catch_warnings():
        # Ibis calls what DuckDB has renamed, and Feast turns such warnings on.
        warnings.filterwarnings("ignore", message="fetch_arrow_table", category=DeprecationWarning)
        build_features(lake, None, _PARTITION)
        progress("joining features")
        features = add_request_time(training_set(_store(folder, lake), _moments(events), _SERVICE))
    # The keys of the other views are those of the moment's last event; the log has its own.
    features = features.drop(columns=[*DERIVED_KEYS, EVENT_TIMESTAMP])
    return LogFrames(
        events.merge(features, on=["workflow_id", "as_of"], how="left", validate="many_to_one"),
        history["tasks"].to_pandas(),
        workflows,
        int(workflows["outcome_is_late"].notna().sum()),
    )


def feature_frame(events: pd.DataFrame) -> pd.DataFrame:
    """Return what a learner may read of events, with workflow_id and as_of: no label, no total."""
    is_feature = events.columns.str.contains("__") | events.columns.isin(_REQUEST_TIME)
    return events[["workflow_id", "as_of", *events.columns[is_feature]]]


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    ordered = rows.rename(columns={"occurred_at": "as_of"}).sort_values(
        ["log", "workflow_id", "as_of", "row_number"], ignore_index=True
    )
    by_workflow = ordered.groupby("workflow_id", sort=False)
    return ordered.assign(
        prefix_length=by_workflow.cumcount() + 1,
        event_count_total=by_workflow["activity"].transform("size"),
        opened_at=by_workflow["as_of"].transform("min"),
        last_event_at_total=by_workflow["as_of"].transform("max"),
    )


def _moments(events: pd.DataFrame) -> pd.DataFrame:
    return events[["workflow_id", "as_of"]].drop_duplicates(ignore_index=True)


def _closures(events: pd.DataFrame) -> pa.Table:
    """Close every workflow at its first long pause, known once it has lasted for so long.

    The last event is such a pause like any other: not knowing what comes, one cannot tell.
    """
    pauses = events["as_of"].shift(-1) - events["as_of"]
    is_last = events["prefix_length"] == events["event_count_total"]
    is_known = events["as_of"].shift(-1) < _next_log_start(events)
    of_first = pauses[~is_last & (events["log"] == 0) & is_known]
    seconds = of_first.dt.total_seconds().quantile(_QUIET_QUANTILE) if len(of_first) else 0.0
    quiet = pd.Timedelta(seconds=float(seconds))
    closed = events[is_last | (pauses > quiet)].groupby("workflow_id", as_index=False).first()
    schema = SCHEMAS[HistoryTable.WORKFLOW_CLOSURES]
    return pa.table(
        {
            "workflow_id": pa.array(closed["workflow_id"], pa.string()),
            "closed_at": pa.array(closed["as_of"], TIMESTAMP),
            "outcome": pa.nulls(len(closed), pa.string()),
            "outcome_is_late": pa.nulls(len(closed), pa.bool_()),
            "recorded_at": pa.array((closed["as_of"] + quiet).dt.floor("us"), TIMESTAMP),
        },
        schema=schema,
    )


def _next_log_start(events: pd.DataFrame) -> pd.Timestamp:
    """Return when the second log begins, the first to be predicted; of one alone, its very end."""
    later = events.loc[events["log"] > 0, "as_of"]
    return pd.Timestamp(events["as_of"].max() if later.empty else later.min())


def _write_lake(lake: str, history: dict[str, pa.Table], closures: pa.Table) -> None:
    tables = {
        HistoryTable.TASK_EVENTS: history["task_events"],
        HistoryTable.WORKFLOWS: history["workflows"],
        HistoryTable.WORKFLOW_CLOSURES: closures,
    }
    for table, rows in tables.items():
        write_table(lake, table, rows.select(SCHEMAS[table].names), _PARTITION)


def _store(folder: Path, lake: str) -> FeatureStore:
    store = FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry=str(folder / "registry.db"),
            online_store=None,
            offline_store={"type": _OFFLINE_STORE, "filter_by_created_timestamp": True},
            entity_key_serialization_version=3,
        )
    )
    store.apply(feast_definitions(lake).objects)
    return store
