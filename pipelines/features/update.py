"""Add an interval to the feature views: compute only the rows that it adds."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from threading import local
from typing import Final

from duckdb import DuckDBPyConnection

from pipelines.contracts import FeatureView, HistoryTable
from pipelines.extract.lake import PartitionUnit, partition_start
from pipelines.features.append import merged, rows_before
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
from pipelines.features.carried import write_carried
from pipelines.features.carry import CARRIED
from pipelines.features.compile import compile_program
from pipelines.features.facts import KEPT_FACTS
from pipelines.features.inputs import place_carried, place_lake
from pipelines.features.program import (
    ACTIVITY_NAMES,
    AFTER,
    ATTRIBUTE_NAMES,
    BEFORE,
    OLDER,
    PART,
    Names,
    Program,
    made_by,
    named_in,
    read_program,
    set_bounds,
    write_program,
)
from pipelines.features.reading import compile_reading
from pipelines.features.scratch import open_engine
from pipelines.features.steps import Step, run_steps
from pipelines.features.write import Dataset, pieces_of, remove_others, write_rows

# DuckDB shares out a table to its threads by as many rows.
_FEW_EVENTS: Final = 122_880
# Added to a name: no table is called so.
_WRITTEN: Final = ", written"
_KEPT: Final = ", kept"


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
    because = "no earlier build is known"
    if built is not None:
        since = datetime.fromisoformat(built.until)
        with ThreadPoolExecutor(2) as aside, open_engine(memory_limit) as connection:
            # All before the history is read: what changes meanwhile shall differ from what is
            # remembered.
            digesting = aside.submit(history_digests, lake, [since, until], partition)
            doubting = aside.submit(_doubt, lake, built, until, partition)
            # Before the lake is placed: what is harmed in it is built anew, and must not be opened.
            because = doubting.result()
            if not because:
                interval = _Interval(lake, since, until, partition, connection)
                program = interval.prepare()
                before, digests = digesting.result()
                if before == built.history:
                    counts = interval.run(program, progress)
                    remember_built(lake, until, partition, digests)
                    return result_of({view: counts[view] for view in FeatureView}, until, since)
                because = "the older history or its quarantine has changed"
    result = build_features(lake, until, partition, None, progress, memory_limit)
    return replace(result, because=because)


def _doubt(lake: str, built: Built, until: datetime, partition: PartitionUnit) -> str:
    """Say why an interval may not be added whatever the history; nothing where it may."""
    since = datetime.fromisoformat(built.until)
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: since <= until, f"features reach to {built.until} already"),
        (lambda: built.partition == partition, f"partitions were by {built.partition}"),
        (lambda: built.definition == definition(), "the views are defined otherwise now"),
        (
            lambda: built.features == feature_sizes(lake, since, partition),
            "older feature partitions have changed",
        ),
    )
    return next((doubt for holds, doubt in checks if not holds()), "")


@dataclass(frozen=True)
class _Interval:
    """What is added to which lake, and a DuckDB to compute it with."""

    lake: str
    since: datetime
    until: datetime
    partition: PartitionUnit
    connection: DuckDBPyConnection
    _own: local = field(default_factory=local)

    def prepare(self) -> Program | None:
        """Place views of the lake, whose rows are not read yet; return the program it keeps."""
        place_lake(self.lake, self.since, self.until, self.connection)
        set_bounds(self.connection, self.since, self.until)
        return read_program(self.lake)

    def run(
        self, kept: Program | None, progress: Progress | None
    ) -> dict[str, dict[datetime, int]]:
        """Run the kept program if it will do; return the rows of each partition, by dataset."""
        program = self._read(kept)
        if self.connection.table(f"{PART}{HistoryTable.TASK_EVENTS.value}").shape[0] < _FEW_EVENTS:
            # Then threads would rather wait for each other: each step has one, and two run.
            self.connection.execute("SET threads = 1")
        counts: dict[str, dict[datetime, int]] = {}
        views = {view.value for view in FeatureView}
        for step, result in run_steps(self._steps(program)):
            if step.endswith(_WRITTEN):
                name = step.removesuffix(_WRITTEN)
                counts[name] = result
                if name in views and progress is not None:
                    progress(FeatureView(name), len(views & counts.keys()), len(views))
        return counts

    def _steps(self, program: Program) -> dict[str, Step]:
        """Make steps of a program's statements, and of writing each thing once it can be."""
        steps = dict(self._statements(program.statements))
        ends: dict[str, Step] = {}
        for dataset in DATASETS:
            query = program.rows[dataset.name]
            write = partial(self._write, dataset, query)
            ends[f"{dataset.name}{_WRITTEN}"] = Step(write, named_in(query))
        for name in CARRIED:
            ends[f"{name}{_KEPT}"] = Step(partial(self._keep, name), {f"{AFTER}{name}"})
        # These replace files that views read: whoever reads one of them has to be done before.
        read_from = {f"{facts.name}{_WRITTEN}": f"{OLDER}{facts.name}" for facts in KEPT_FACTS}
        read_from |= {f"{name}{_KEPT}": f"{BEFORE}{name}" for name in CARRIED}
        everything = {**steps, **ends}
        for end, view in read_from.items():
            readers = {name for name, step in everything.items() if view in step.needs}
            ends[end] = replace(ends[end], needs=ends[end].needs | (readers - {end}))
        ordered: dict[str, Step] = {}
        for name, step in steps.items():
            ordered[name] = step
            for end, one in ends.items():
                if steps.keys() & one.needs <= ordered.keys():
                    ordered.setdefault(end, one)
        return ordered

    def _read(self, kept: Program | None) -> Program:
        """Run the reading; return the kept program, or one that knows all names that occur."""
        reading = compile_reading() if kept is None else kept.reading
        place_carried(self.lake, self.since, reading, self.connection)
        for _ in run_steps(dict(self._statements(reading.statements))):
            pass
        names = Names(self._texts(ATTRIBUTE_NAMES), self._texts(ACTIVITY_NAMES))
        if kept is not None and kept.covers(names, self.partition):
            return kept
        program = compile_program(names if kept is None else kept.names | names, self.partition)
        write_program(self.lake, program)
        return program

    def _statements(self, statements: Sequence[str]) -> Iterator[tuple[str, Step]]:
        for statement in statements:
            yield made_by(statement), Step(partial(self._execute, statement), named_in(statement))

    def _execute(self, statement: str) -> None:
        self._cursor().execute(statement)

    def _write(self, dataset: Dataset, query: str) -> dict[datetime, int]:
        begun = partition_start(self.since, self.partition)
        older = rows_before(self.lake, dataset, begun, self.since)
        new = pieces_of(query, dataset, self._cursor())
        written = write_rows(self.lake, dataset, merged(older, new, begun, dataset.order))
        remove_others(self.lake, dataset, written, begun)
        return written

    def _keep(self, carried: str) -> None:
        rows = self._cursor().table(f"{AFTER}{carried}").to_arrow_table()
        write_carried(self.lake, carried, self.until, rows)

    def _cursor(self) -> DuckDBPyConnection:
        """Return the thread's own connection; it shares tables, but no variables."""
        cursor: DuckDBPyConnection | None = getattr(self._own, "cursor", None)
        if cursor is None:
            cursor = self._own.cursor = self.connection.cursor()
            set_bounds(cursor, self.since, self.until)
        return cursor

    def _texts(self, table: str) -> tuple[str, ...]:
        rows = self.connection.table(table).fetchall()
        return tuple(sorted(text for (text,) in rows))
