"""Compute the feature views from the lake's history from scratch and write their partitions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureBuildError
from pipelines.extract.lake import PartitionUnit
from pipelines.features.built import forget_built, history_digests, remember_built
from pipelines.features.compute import FACTS, ViewComputer
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.history import History, read_tables, with_names
from pipelines.features.parts import PART_EVENTS, day_spans, parts
from pipelines.features.scratch import Scratch, open_scratch
from pipelines.features.views import VIEWS
from pipelines.features.write import LakeWriter, dataset_of

Progress = Callable[[FeatureView, int, int], None]

MEMORY_LIMIT: Final = "2GB"


@dataclass(frozen=True)
class BuildResult:
    """Rows and partitions written per view; everything recorded before `watermark` is in them.

    `watermark` is None where there was no history at all and no moment was asked for. `since`
    is None where everything was built from scratch, and `because` may say why; otherwise only
    rows created from `since` on were computed.
    """

    rows: Mapping[FeatureView, int]
    partitions: Mapping[FeatureView, int]
    watermark: datetime | None
    since: datetime | None = None
    because: str = ""


def build_features(  # noqa: PLR0917 - explicit parameters beat a bag
    lake: str,
    until: datetime | None,
    partition: PartitionUnit,
    views: Collection[FeatureView] | None = None,
    progress: Progress | None = None,
    memory_limit: str = MEMORY_LIMIT,
    part_events: int = PART_EVENTS,
) -> BuildResult:
    """Compute feature views from what was recorded before `until` and replace their partitions.

    The same history gives the same bytes. Partitions without rows are removed. What does not
    fit into memory goes to temporary files.

    Args:
        lake: local path or fsspec URL; reads `history/`, writes
            `features/<view>/interval=<start>/part.parquet`, by `created_timestamp`, and
            `feature_facts/`, which `update.update_features` starts from.
        until: with a time zone; excluded. None means everything, with a row for the day of
            the last recording as if it had ended.
        partition: length of a partition.
        views: views to build; None means all.
        progress: called after each view with it, the number of views done, and of all.
        memory_limit: of DuckDB, such as "2GB".
        part_events: about so many events are taken at a time.

    Raises:
        FeatureBuildError: `until` has no time zone, or a column that may not be null is.
    """
    require_zone(until)
    chosen = [view for view in FeatureView if views is None or view in views]
    with open_scratch(memory_limit) as scratch:
        history = read_tables(lake, until, scratch.connection)
        watermark = until or _after_last_recording(history, scratch)
        # Before the history is read: what changes meanwhile shall differ from what is remembered.
        (digests,) = history_digests(lake, [watermark], partition) if watermark else [{}]
        forget_built(lake)
        progress_rows, facts = _by_parts(history, scratch, part_events)
        computers = [
            ViewComputer(history, scratch.keep, facts=known, span=span)
            for span, known in day_spans(history, facts, scratch, part_events)
        ]
        writer = LakeWriter(lake, partition, scratch, until)
        counts = {}
        for done, view in enumerate(chosen, start=1):
            with scratch.passing() as passing:
                if view is FeatureView.WORKFLOW_PROGRESS:
                    rows = progress_rows
                else:
                    rows = _over_spans(view, computers, passing)
                counts[view] = writer.write(dataset_of(VIEWS[view]), rows)
            if progress is not None:
                progress(view, done, len(chosen))
        if views is None:
            for dataset in KEPT_FACTS:
                writer.write(dataset, facts[dataset.name])
    if views is None and watermark is not None:
        remember_built(lake, watermark, partition, digests)
    return result_of(counts, watermark)


def result_of(
    counts: Mapping[FeatureView, Mapping[datetime, int]],
    watermark: datetime | None,
    since: datetime | None = None,
) -> BuildResult:
    """Sum up what was written: the rows of each partition of each view."""
    return BuildResult(
        {view: sum(written.values()) for view, written in counts.items()},
        {view: len(written) for view, written in counts.items()},
        watermark,
        since,
    )


def require_zone(until: datetime | None) -> None:
    """Check that `until` has a time zone.

    Raises:
        FeatureBuildError: it has none.
    """
    if until is not None and until.tzinfo is None:
        raise FeatureBuildError(f"until has no time zone: {until}. Pass a UTC time.")


def _by_parts(
    history: History, scratch: Scratch, part_events: int
) -> tuple[ir.Table, dict[str, ir.Table]]:
    """Compute what each workflow adds by itself: rows of `workflow_progress`, and the facts."""
    progress: list[ir.Table] = []
    facts: dict[str, list[ir.Table]] = {name: [] for name in FACTS}
    spec = VIEWS[FeatureView.WORKFLOW_PROGRESS]
    for part in parts(history, scratch, part_events):
        with scratch.passing() as passing:
            computer = ViewComputer(with_names(part, scratch.connection), passing.keep)
            rows = computer.view(spec.name).select(*spec.schema.names)
            progress.append(scratch.lay_aside(spec.name, rows))
            for name in FACTS:
                facts[name].append(scratch.keep(name, computer.expression(name)))
    return ibis.union(*progress), {name: ibis.union(*tables) for name, tables in facts.items()}


def _over_spans(view: FeatureView, computers: Sequence[ViewComputer], scratch: Scratch) -> ir.Table:
    if view is FeatureView.WORKFLOW_STATUS:
        # A status does not belong to a day: every computer has them all.
        computers = computers[:1]
    return ibis.union(*(scratch.keep(view.value, one.view(view)) for one in computers))


def _after_last_recording(history: History, scratch: Scratch) -> datetime | None:
    recorded = ibis.union(*(table.select("recorded_at") for table in history.tables))
    latest = scratch.connection.to_pyarrow(recorded.recorded_at.max()).as_py()
    return None if latest is None else latest.astimezone(UTC) + timedelta(microseconds=1)
