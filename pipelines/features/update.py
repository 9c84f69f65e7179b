"""Add an interval to the feature views: compute only the rows that it adds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Final

from pipelines.contracts import FeatureView
from pipelines.extract.lake import PartitionUnit, partition_start
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
from pipelines.features.history import with_names
from pipelines.features.inputs import place_history, place_older
from pipelines.features.program import (
    UNSETTLED,
    Program,
    compile_program,
    read_program,
    set_bounds,
    write_program,
)
from pipelines.features.scratch import Scratch, open_scratch
from pipelines.features.unsettled import write_unsettled
from pipelines.features.write import Dataset, remove_others, write_rows

_WRITERS: Final = 2


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

        def write(dataset: Dataset) -> dict[datetime, int]:
            making, query = program.rows[dataset.name]
            with scratch.connection.con.cursor() as cursor:
                set_bounds(cursor, since, until)
                cursor.execute(making)
                written = write_rows(lake, dataset, query, cursor)
            remove_others(lake, dataset, written, partition_start(since, partition))
            return written

        counts = {}
        # Two at a time: planning such queries takes as long as running them, and one core.
        with ThreadPoolExecutor(_WRITERS) as pool:
            for dataset, written in zip(DATASETS, pool.map(write, DATASETS), strict=True):
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
    """Prepare what the interval adds, by the program kept in the lake where that will do."""
    connection = scratch.connection
    part = with_names(place_history(lake, since, until, connection), connection)
    place_older(lake, since, partition, connection.con)
    program = read_program(lake)
    if program is None or not program.covers(part, partition):
        part = part if program is None else program.names_beside(part)
        program = compile_program(part, partition, connection)
        write_program(lake, program)
    set_bounds(connection.con, since, until)
    for statement in program.statements:
        connection.con.execute(statement)
    return program
