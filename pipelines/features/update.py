"""Add an interval to the feature views: compute only the rows that it adds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import ibis
import ibis.expr.types as ir

from pipelines.contracts import FeatureView
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
from pipelines.features.compute import ViewComputer
from pipelines.features.facts import COMPLETIONS, KEPT_FACTS, TIMES_TO_CLOSING
from pipelines.features.history import History, read_parquet, read_tables, with_names
from pipelines.features.interval import (
    day_of,
    restricted,
    touched_workflows,
    unsettled_workflows,
)
from pipelines.features.scratch import Scratch, open_scratch
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
        history = read_tables(lake, until, scratch.connection)
        workflows, days = _computers(lake, history, since, scratch)
        writer = LakeWriter(lake, partition, scratch, since, until)
        counts = {}
        for done, view in enumerate(FeatureView, start=1):
            computer = workflows if view is FeatureView.WORKFLOW_PROGRESS else days
            counts[view] = writer.write(dataset_of(VIEWS[view]), computer.view(view))
            if progress is not None:
                progress(view, done, len(FeatureView))
        for dataset in KEPT_FACTS:
            writer.write(dataset, workflows.fact(dataset.name))
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


def _computers(
    lake: str, history: History, since: datetime, scratch: Scratch
) -> tuple[ViewComputer, ViewComputer]:
    """Return what computes the rows of workflows, and what computes those of days."""
    first_day = day_of(since)
    touched = scratch.keep("touched", touched_workflows(history, since))
    unsettled = unsettled_workflows(history, first_day).union(touched).distinct()
    part = restricted(history, scratch.keep("unsettled", unsettled))
    part = replace(part, task_events=scratch.keep("events", part.task_events))
    workflows = ViewComputer(with_names(part, scratch.connection), scratch.keep, touched=touched)
    facts = {
        dataset.name: _all_facts(lake, dataset, since, workflows, scratch)
        for dataset in (COMPLETIONS, TIMES_TO_CLOSING)
    }
    for name in ("task_changes", "state_changes"):
        facts[name] = workflows.fact(name)
    return workflows, ViewComputer(history, scratch.keep, facts=facts, first_day=first_day)


def _all_facts(
    lake: str, dataset: Dataset, since: datetime, computer: ViewComputer, scratch: Scratch
) -> ir.Table:
    """Return the facts of earlier builds and those that the interval adds."""
    new = computer.fact(dataset.name)
    new = new.filter(new.recorded_at >= since).select(*dataset.schema.names)
    starts = [start for start in list_partitions(lake, dataset.folder) if start < since]
    if not starts:
        return new
    paths = [partition_path(lake, dataset.folder, start) for start in starts]
    old = read_parquet(paths, scratch.connection).select(*dataset.schema.names)
    return ibis.union(old.filter(old.recorded_at < since), new.cast(old.schema()))
