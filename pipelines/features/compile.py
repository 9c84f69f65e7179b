"""Compile the program of an interval: from the views' expressions to DuckDB's SQL."""

from dataclasses import replace

import ibis
import ibis.expr.types as ir

from pipelines.contracts import FeatureView
from pipelines.extract.lake import PartitionUnit
from pipelines.features.carry import DAILY_EVENTS, EXPERIENCE, experience_so_far, handed_on
from pipelines.features.compute import ViewComputer
from pipelines.features.durations import with_due_dates
from pipelines.features.facts import COMPLETIONS, KEPT_FACTS
from pipelines.features.interval import recent_facts
from pipelines.features.program import AFTER, Names, Program
from pipelines.features.reading import (
    FIRST_DAY,
    NEXT_DAY,
    SINCE,
    UNTIL,
    Read,
    Statements,
    older_rows,
)
from pipelines.features.timing import Span
from pipelines.features.views import VIEWS
from pipelines.features.write import Dataset, dataset_of, in_order, stored


def compile_program(names: Names, partition: PartitionUnit) -> Program:
    """Compile the program for partitions of this length and these names."""
    read = Read()
    history, part = read.history, read.part
    statements = Statements()
    rows: dict[str, str] = {}

    def add(dataset: Dataset, new: ir.Table) -> None:
        is_inside = (new[dataset.time] >= SINCE) & (new[dataset.time] < UNTIL)
        rows[dataset.name] = statements.query(
            in_order(stored(new.filter(is_inside), dataset, partition), dataset)
        )

    named = replace(part, attribute_keys=names.attribute_keys, activities=names.activities)
    workflows = ViewComputer(named, statements.keep, touched=read.touched, since=SINCE)
    # First, because it takes the longest, and nothing else needs it.
    add(dataset_of(VIEWS[FeatureView.WORKFLOW_PROGRESS]), workflows.progress())
    facts = {name: workflows.fact(name) for name in ("task_changes", "state_changes")}
    facts[DAILY_EVENTS] = read.daily_events
    for dataset in KEPT_FACTS:
        new = workflows.fact(dataset.name)
        add(dataset, new)
        older = older_rows(dataset)
        parts = (older, new.filter(new.recorded_at >= SINCE))
        halves = (part.select(*dataset.schema.names).cast(older.schema()) for part in parts)
        facts[dataset.name] = ibis.union(*halves)
        name = f"recent_{dataset.name}"
        facts[name] = statements.keep(name, recent_facts(facts[dataset.name], FIRST_DAY))
    due = with_due_dates(facts["recent_completions"], history.workflows)
    facts["due_completions"] = statements.keep("due_completions", due)
    known = experience_so_far(read.before, facts[COMPLETIONS.name], FIRST_DAY)
    facts[EXPERIENCE] = statements.keep(EXPERIENCE, known)
    days = ViewComputer(history, statements.keep, facts=facts, span=Span(FIRST_DAY, NEXT_DAY))
    for view in (view for view in VIEWS if view is not FeatureView.WORKFLOW_PROGRESS):
        computer = workflows if view is FeatureView.WORKFLOW_STATUS else days
        add(dataset_of(VIEWS[view]), computer.view(view))
    handing_on = handed_on(part, facts[DAILY_EVENTS], facts[EXPERIENCE], NEXT_DAY)
    for name, kept in handing_on.items():
        statements.place(f"{AFTER}{name}", kept)
    return Program(partition, names, read.reading, tuple(statements), rows)
