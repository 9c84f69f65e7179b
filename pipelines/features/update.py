"""Add an interval to the feature views: compute only the rows that it adds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend
from ibis.util import gen_name

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit, list_partitions, partition_path
from pipelines.features.build import (
    MEMORY_LIMIT,
    BuildResult,
    Progress,
    build_features,
    require_zone,
    result_of,
)
from pipelines.features.built import (
    Built,
    definition,
    feature_sizes,
    history_digests,
    read_built,
    remember_built,
)
from pipelines.features.facts import COMPLETIONS, KEPT_FACTS, TIMES_TO_CLOSING
from pipelines.features.history import History, read_parquet, read_tables, with_names
from pipelines.features.interval import (
    day_of,
    recent_events,
    restricted,
    touched_workflows,
    unsettled_workflows,
)
from pipelines.features.program import (
    OLDER,
    PART,
    RECENT,
    ROWS,
    TOUCHED,
    UNSETTLED,
    compile_program,
    read_program,
    write_program,
)
from pipelines.features.scratch import Scratch, open_scratch
from pipelines.features.unsettled import read_unsettled, write_unsettled
from pipelines.features.views import VIEWS
from pipelines.features.write import Dataset, LakeWriter, dataset_of


def update_features(
    lake: str,
    until: datetime,
    partition: PartitionUnit,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> BuildResult:
    """Bring all feature views up to `until`: the rows of the interval since the last build.

    What was recorded since then adds rows to the views and changes none of the older ones, so
    only these are computed, and only the partitions they lie in replaced. From scratch instead
    where there was no build, or anything it was made from has changed: the older history, its
    quarantine, the views' definition, the older partitions. Both give the same rows. A run that
    was cut off can be repeated.

    Args:
        lake: see `build.build_features`.
        until: with a time zone; excluded.
        partition: see `build.build_features`.
        progress: see `build.build_features`.
        memory_limit: see `build.build_features`.

    Raises:
        FeatureBuildError: see `build.build_features`.
    """
    require_zone(until)
    built = read_built(lake)
    because = _doubt(lake, built, until, partition)
    if built is None or because:
        result = build_features(lake, until, partition, None, progress, memory_limit)
        return replace(result, because=because)
    since = datetime.fromisoformat(built.until)
    digests = history_digests(lake, until, partition)
    with open_scratch(memory_limit) as scratch:
        _run_program(lake, since, until, scratch)
        writer = LakeWriter(lake, partition, scratch, since, until)
        counts = {}
        for done, view in enumerate(FeatureView, start=1):
            counts[view] = writer.write(dataset_of(VIEWS[view]), _rows(view, scratch))
            if progress is not None:
                progress(view, done, len(FeatureView))
        for dataset in KEPT_FACTS:
            writer.write(dataset, _rows(dataset.name, scratch))
        unsettled = scratch.connection.con.table(UNSETTLED).to_arrow_table()
        write_unsettled(lake, until, unsettled)
    remember_built(lake, until, partition, digests)
    return result_of(counts, until, since)


def _doubt(lake: str, built: Built | None, until: datetime, partition: PartitionUnit) -> str:
    """Say why an interval may not be added; nothing where it may."""
    if built is None:
        return "no earlier build is known"
    since = datetime.fromisoformat(built.until)
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: since <= until, f"features reach to {built.until} already"),
        (lambda: built.partition == partition, f"partitions were by {built.partition}"),
        (lambda: built.definition == definition(), "the views are defined otherwise now"),
        (
            lambda: built.features == feature_sizes(lake, since, partition),
            "older feature partitions have changed",
        ),
        (
            lambda: built.history == history_digests(lake, since, partition),
            "the older history or its quarantine has changed",
        ),
    )
    return next((doubt for holds, doubt in checks if not holds()), "")


def _run_program(lake: str, since: datetime, until: datetime, scratch: Scratch) -> None:
    """Compute what the interval adds, by the program kept in the lake where that will do."""
    part = with_names(_place_inputs(lake, since, until, scratch), scratch.connection)
    program = read_program(lake)
    if program is None or not program.covers(part):
        program = compile_program(part, scratch.connection)
        write_program(lake, program)
    days = {"first_day": day_of(since), "next_day": day_of(until)}
    program.run(scratch.connection.con, {"since": since, "until": until, **days})


def _place_inputs(lake: str, since: datetime, until: datetime, scratch: Scratch) -> History:
    """Make the tables that a program reads; return the history of workflows with open work."""
    connection, first_day = scratch.connection, day_of(since)
    history = read_tables(lake, until, connection)
    touched = scratch.place(TOUCHED, touched_workflows(history, since))
    kept = read_unsettled(lake, since)
    if kept is None:
        unsettled = unsettled_workflows(history, first_day)
    else:
        connection.con.from_arrow(kept).create("unsettled_before")
        unsettled = connection.table("unsettled_before")
    chosen = scratch.keep("chosen", unsettled.union(touched).distinct())
    part = restricted(history, chosen)
    tables = zip(HistoryTable, (part.task_events, part.workflows, part.workflow_closures))
    part = History(*(scratch.place(f"{PART}{name.value}", table) for name, table in tables))
    recent = recent_events(history.task_events, first_day)
    scratch.place(f"{RECENT}{HistoryTable.TASK_EVENTS.value}", recent)
    scratch.place(f"{RECENT}{HistoryTable.WORKFLOWS.value}", history.workflows)
    for dataset in (COMPLETIONS, TIMES_TO_CLOSING):
        scratch.place(f"{OLDER}{dataset.name}", _older(lake, dataset, since, connection))
    return part


def _older(lake: str, dataset: Dataset, since: datetime, connection: Backend) -> ir.Table:
    """Return the facts that earlier builds kept."""
    starts = [start for start in list_partitions(lake, dataset.folder) if start < since]
    if not starts:
        types = ibis.schema({field.name: field.type for field in dataset.schema})
        return connection.create_table(gen_name(dataset.name), schema=types, temp=True)
    paths = [partition_path(lake, dataset.folder, start) for start in starts]
    older = read_parquet(paths, connection)
    return older.filter(older.recorded_at < since).select(*dataset.schema.names)


def _rows(name: str, scratch: Scratch) -> ir.Table:
    return scratch.connection.table(f"{ROWS}{name}")
