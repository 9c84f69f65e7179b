"""Add an interval to the feature views: compute only the rows that it adds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import (
    PartitionUnit,
    list_partitions,
    partition_path,
    partition_start,
)
from pipelines.features.build import (
    MEMORY_LIMIT,
    BuildResult,
    Progress,
    build_features,
    require_zone,
    result_of,
)
from pipelines.features.built import (
    DATASETS,
    Built,
    definition,
    feature_sizes,
    history_digests,
    read_built,
    remember_built,
)
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import History, read_tables, with_names
from pipelines.features.interval import (
    day_of,
    recent_events,
    restricted,
    touched_workflows,
    unsettled_workflows,
)
from pipelines.features.program import (
    BEGUN,
    OLDER,
    PART,
    RECENT,
    TOUCHED,
    UNSETTLED,
    Program,
    compile_program,
    read_program,
    set_bounds,
    write_program,
)
from pipelines.features.scratch import Scratch, creation, open_scratch
from pipelines.features.timing import EPOCH, microseconds
from pipelines.features.unsettled import read_unsettled, write_unsettled
from pipelines.features.write import Dataset, remove_others, write_rows


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
    digests = history_digests(lake, until, partition, built)
    with open_scratch(memory_limit) as scratch:
        program = _run_program(lake, since, until, partition, scratch)
        counts = {}
        first = partition_start(since, partition)
        for dataset in DATASETS:
            written = write_rows(lake, dataset, program.rows[dataset.name], scratch)
            remove_others(lake, dataset, written, first)
            counts[dataset.name] = written
            if progress is not None and dataset not in KEPT_FACTS:
                progress(FeatureView(dataset.name), len(counts), len(FeatureView))
        unsettled = scratch.connection.con.table(UNSETTLED).to_arrow_table()
        write_unsettled(lake, until, unsettled)
    remember_built(lake, until, partition, digests)
    return result_of({view: counts[view] for view in FeatureView}, until, since)


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


def _run_program(
    lake: str, since: datetime, until: datetime, partition: PartitionUnit, scratch: Scratch
) -> Program:
    """Compute what the interval adds, by the program kept in the lake where that will do."""
    connection = scratch.connection
    part = with_names(_place_history(lake, since, until, scratch), connection)
    for dataset in DATASETS:
        starts = list_partitions(lake, dataset.folder)
        _place_older(
            BEGUN,
            lake,
            dataset,
            [s for s in starts if s == partition_start(since, partition) and s != since],
            scratch,
        )
        if dataset in KEPT_FACTS:
            _place_older(OLDER, lake, dataset, [s for s in starts if s < since], scratch)
    program = read_program(lake)
    if program is None or not program.covers(part, partition):
        program = compile_program(part, partition, connection)
        write_program(lake, program)
    set_bounds(connection.con, since, until)
    program.run(connection.con)
    return program


def _place_history(lake: str, since: datetime, until: datetime, scratch: Scratch) -> History:
    """Make the tables of the history that a program reads; return those of chosen workflows."""
    connection, first_day = scratch.connection, day_of(since)
    history = read_tables(lake, until, connection)
    touched = _place(TOUCHED, touched_workflows(history, since), connection)
    kept = read_unsettled(lake, since)
    if kept is None:
        unsettled = unsettled_workflows(history, first_day)
    else:
        connection.con.from_arrow(kept).create("unsettled_before")
        unsettled = connection.table("unsettled_before")
    chosen = _place("chosen", unsettled.union(touched).distinct(), connection)
    part = restricted(_from_first(history, chosen, connection), chosen)
    tables = (part.task_events, part.workflows, part.workflow_closures)
    recent = recent_events(history.task_events, first_day)
    for name, table in (
        (HistoryTable.TASK_EVENTS, recent),
        (HistoryTable.WORKFLOWS, history.workflows),
    ):
        connection.con.sql(connection.compile(table)).create_view(f"{RECENT}{name.value}")
    return History(
        *(
            _place(f"{PART}{name.value}", table, connection)
            for name, table in zip(HistoryTable, tables, strict=True)
        )
    )


def _from_first(history: History, workflows: ir.Table, connection: Backend) -> History:
    """Leave out the events before the first one of some workflows, and so the files they lie in."""
    events = history.task_events
    first_us = microseconds(events.semi_join(workflows, "workflow_id").recorded_at.min())
    ((count,),) = connection.con.execute(connection.compile(first_us)).fetchall()
    if count is None:
        return history
    first_at = EPOCH + timedelta(microseconds=count)
    return replace(history, task_events=events.filter(events.recorded_at >= first_at))


def _place(name: str, table: ir.Table, connection: Backend) -> ir.Table:
    """Compute an expression now and keep its rows under this very name."""
    connection.con.execute(creation(name, connection.compile(table)))
    return ibis.table(table.schema(), name=name)


def _place_older(
    prefix: str, lake: str, dataset: Dataset, starts: list[datetime], scratch: Scratch
) -> None:
    """Make the table of what lies in some of a dataset's partitions."""
    connection, name = scratch.connection.con, f"{prefix}{dataset.name}"
    if starts:
        paths = [partition_path(lake, dataset.folder, start) for start in starts]
        connection.read_parquet(paths, hive_partitioning=False).create_view(name)
    else:
        connection.from_arrow(dataset.schema.empty_table()).create(name)
