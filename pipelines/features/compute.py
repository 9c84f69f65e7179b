"""From a history to its feature views: what each view is computed from."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import ibis.expr.types as ir

from pipelines.contracts import FeatureView
from pipelines.features.activity_stats import activity_stats
from pipelines.features.coding import CodedEvents, Keep, code_events
from pipelines.features.day_close import daily_events
from pipelines.features.durations import completed_tasks, with_due_dates
from pipelines.features.history import History
from pipelines.features.interval import recent_events, recent_facts, recent_openings
from pipelines.features.open_tasks import open_task_changes
from pipelines.features.person_activity import experience, person_activity
from pipelines.features.person_workload import person_workload
from pipelines.features.prefixes import known_prefixes, task_prefixes
from pipelines.features.states import state_changes, times_to_closing
from pipelines.features.team_load import team_load
from pipelines.features.timing import EVERY_DAY, Span
from pipelines.features.workflow_progress import workflow_progress
from pipelines.features.workflow_status import workflow_status

__all__ = ["FACTS", "Keep", "ViewComputer"]

# What the views that close a day are computed from; each workflow adds to it by itself.
FACTS: Final = ("completions", "times_to_closing", "task_changes", "state_changes")


class ViewComputer:
    """Make the expressions of the views over one history.

    Args:
        history: to compute from.
        keep: given a name and an expression that several views share, returns what stands
            for it, such as a stored table. The default repeats the expression in each view.
        facts: tables named in `FACTS` that are there already, daily_events (of
            `day_close.daily_events`), experience (of `person_activity.experience`), recent_ with
            the name of a fact (of `interval.recent_facts`) and due_completions (these, of
            `durations.with_due_dates`).
        span: days of which rows of the views that close a day are wanted. The facts given must
            hold what these rows need.
        touched: workflow_id of the only workflows of which `workflow_progress` and completions
            are wanted; None means all.
        since: of `workflow_progress` only rows created from then on are wanted; None means all.
    """

    def __init__(
        self,
        history: History,
        keep: Keep = lambda _, table: table,
        *,
        facts: Mapping[str, ir.Table] | None = None,
        span: Span = EVERY_DAY,
        touched: ir.Table | None = None,
        since: ir.TimestampScalar | None = None,
    ) -> None:
        self._history = history
        self._keep = keep
        self._span = span
        self._touched = touched
        self._since = since
        self._kept: dict[str, ir.Table] = dict(facts or {})
        self._coded: CodedEvents | None = None

    def view(self, view: FeatureView) -> ir.Table:
        """Return the expression of a view: its columns and possibly others, in any order."""
        return _VIEWS[view](self)

    def fact(self, name: str) -> ir.Table:
        """Return one of `FACTS`, kept."""
        return self._shared(name, lambda: self.expression(name))

    def expression(self, fact: str) -> ir.Table:
        """Return the expression of one of `FACTS`.

        They are those of `durations.completed_tasks`, `states.times_to_closing`,
        `open_tasks.open_task_changes` and `states.state_changes`.
        """
        closures = self._history.workflow_closures
        if fact == "completions":
            return completed_tasks(self._tasks(), self._events())
        if fact == "task_changes":
            return open_task_changes(self._events())
        make = times_to_closing if fact == "times_to_closing" else state_changes
        return make(self._events(), closures)

    def progress(self) -> ir.Table:
        """Return the view `workflow_progress`."""
        history = self._history
        return workflow_progress(
            self._tasks(),
            self._events(),
            history.workflows,
            history.attribute_keys,
            history.activities,
            self._since,
            self._keep,
        )

    def status(self) -> ir.Table:
        """Return the view `workflow_status`."""
        return workflow_status(self._history.workflows, self._history.workflow_closures)

    def activities(self) -> ir.Table:
        """Return the view `activity_stats`."""
        return activity_stats(
            self._daily_events(),
            self._recent("completions"),
            self.fact("task_changes"),
            self.fact("state_changes"),
            self._recent("times_to_closing"),
            recent_openings(self._history.workflows, self._span.first),
            self._span,
        )

    def people(self) -> ir.Table:
        """Return the view `person_workload`."""
        return person_workload(
            self._daily_events(), self._due(), self.fact("task_changes"), self._span
        )

    def experience(self) -> ir.Table:
        """Return the view `person_activity`."""
        known = self._kept.get("experience")
        if known is None:
            known = experience(self.fact("completions"), self._span.first)
        return person_activity(known, self._span)

    def teams(self) -> ir.Table:
        """Return the view `team_load`."""
        return team_load(
            self._daily_events(),
            self._recent("completions"),
            self.fact("task_changes"),
            self._span,
        )

    def _events(self) -> CodedEvents:
        if self._coded is None:
            self._coded = code_events(self._history.task_events, self._keep)
        return self._coded

    def _tasks(self) -> ir.Table:
        workflows, touched = self._history.workflows, self._touched
        coded = self._events()
        if touched is not None:
            numbers = coded.workflows.semi_join(touched, "workflow_id")
            coded = replace(coded, events=coded.events.semi_join(numbers, "workflow"))
        return self._shared(
            "task_prefixes", lambda: task_prefixes(known_prefixes(coded, workflows))
        )

    def _daily_events(self) -> ir.Table:
        events = recent_events(self._history.task_events, self._span.first)
        return self._shared("daily_events", lambda: daily_events(events))

    def _recent(self, fact: str) -> ir.Table:
        if f"recent_{fact}" in self._kept:
            return self._kept[f"recent_{fact}"]
        return recent_facts(self.fact(fact), self._span.first)

    def _due(self) -> ir.Table:
        if "due_completions" in self._kept:
            return self._kept["due_completions"]
        return with_due_dates(self._recent("completions"), self._history.workflows)

    def _shared(self, name: str, make: Callable[[], ir.Table]) -> ir.Table:
        if name not in self._kept:
            self._kept[name] = self._keep(name, make())
        return self._kept[name]


_VIEWS: Final[Mapping[FeatureView, Callable[[ViewComputer], ir.Table]]] = {
    FeatureView.WORKFLOW_PROGRESS: lambda tables: tables.progress(),
    FeatureView.WORKFLOW_STATUS: lambda tables: tables.status(),
    FeatureView.ACTIVITY_STATS: lambda tables: tables.activities(),
    FeatureView.PERSON_WORKLOAD: lambda tables: tables.people(),
    FeatureView.PERSON_ACTIVITY: lambda tables: tables.experience(),
    FeatureView.TEAM_LOAD: lambda tables: tables.teams(),
}
