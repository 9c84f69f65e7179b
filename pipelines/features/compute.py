"""From a history to its feature views: what each view is computed from."""

from collections.abc import Callable, Mapping
from typing import Final

import ibis.expr.types as ir

from pipelines.contracts import FeatureView
from pipelines.features.activity_stats import activity_stats
from pipelines.features.durations import completed_tasks
from pipelines.features.history import History
from pipelines.features.open_tasks import open_task_changes
from pipelines.features.person_activity import person_activity
from pipelines.features.person_workload import person_workload
from pipelines.features.prefixes import known_prefixes
from pipelines.features.team_load import team_load
from pipelines.features.workflow_progress import workflow_progress
from pipelines.features.workflow_status import workflow_status

Keep = Callable[[str, ir.Table], ir.Table]


class ViewComputer:
    """Make the expressions of the views over one history.

    Args:
        history: to compute from.
        keep: given a name and an expression that several views share, returns what stands
            for it, such as a stored table. The default repeats the expression in each view.
    """

    def __init__(self, history: History, keep: Keep = lambda _, table: table) -> None:
        self._history = history
        self._keep = keep
        self._kept: dict[str, ir.Table] = {}

    def view(self, view: FeatureView) -> ir.Table:
        """Return the expression of a view: its columns and possibly others, in any order."""
        return _VIEWS[view](self)

    def prefixes(self) -> ir.Table:
        """Return the events of `prefixes.known_prefixes`."""
        history = self._history
        return self._shared(
            "prefixes", lambda: known_prefixes(history.task_events, history.workflows)
        )

    def completions(self) -> ir.Table:
        """Return the completions of `durations.completed_tasks`."""
        return self._shared(
            "completions", lambda: completed_tasks(self.prefixes(), self._history.workflows)
        )

    def changes(self) -> ir.Table:
        """Return the changes of `open_tasks.open_task_changes`."""
        return self._shared("changes", lambda: open_task_changes(self._history.task_events))

    def progress(self) -> ir.Table:
        """Return the view `workflow_progress`."""
        history = self._history
        return workflow_progress(self.prefixes(), history.workflows, history.attribute_keys)

    def status(self) -> ir.Table:
        """Return the view `workflow_status`."""
        return workflow_status(self._history.workflows, self._history.workflow_closures)

    def day_close(self, view: Callable[[ir.Table, ir.Table, ir.Table], ir.Table]) -> ir.Table:
        """Return a view of events, completions and changes of open tasks."""
        return view(self._history.task_events, self.completions(), self.changes())

    def _shared(self, name: str, make: Callable[[], ir.Table]) -> ir.Table:
        if name not in self._kept:
            self._kept[name] = self._keep(name, make())
        return self._kept[name]


_VIEWS: Final[Mapping[FeatureView, Callable[[ViewComputer], ir.Table]]] = {
    FeatureView.WORKFLOW_PROGRESS: lambda tables: tables.progress(),
    FeatureView.WORKFLOW_STATUS: lambda tables: tables.status(),
    FeatureView.ACTIVITY_STATS: lambda tables: tables.day_close(activity_stats),
    FeatureView.PERSON_WORKLOAD: lambda tables: tables.day_close(person_workload),
    FeatureView.PERSON_ACTIVITY: lambda tables: person_activity(tables.completions()),
    FeatureView.TEAM_LOAD: lambda tables: tables.day_close(team_load),
}
