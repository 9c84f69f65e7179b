"""What is known of tasks and of who might do them: online in one round trip, or in a copy.

The rows are those that `training_set(..., has_keys=True)` gives offline: the workflow's progress,
and the views of the task's own activity, person and team.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS, qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.store.online_rows import ServiceRows, ViewRows
from pipelines.store.online_view import Key
from pipelines.store.training_sets import AS_OF, DERIVED_KEYS, WORKFLOW_ID

_VIEWS: Final = (
    FeatureView.WORKFLOW_PROGRESS,
    FeatureView.ACTIVITY_STATS,
    FeatureView.PERSON_WORKLOAD,
    FeatureView.PERSON_ACTIVITY,
    FeatureView.TEAM_LOAD,
)
_NAMES: Final = {
    view: [(column.name, qualified(view, column.name)) for column in VIEWS[view].columns]
    for view in _VIEWS
}
_ENTITIES: Final = {
    view: [column.name for column in VIEWS[view].entities]
    for view in (*_VIEWS, FeatureView.WORKFLOW_STATUS)
}


class TaskQuestion(NamedTuple):
    """A task somebody might do; None where it is not known who, or of which team."""

    workflow_id: str
    activity: str
    person_id: str | None
    team_id: str | None


class Lookup(Protocol):
    """What gives rows of views by their keys: the online store, or a copy of the lake."""

    def lookup(
        self, keys: Mapping[FeatureView, Sequence[Key]], as_of: datetime
    ) -> Mapping[FeatureView, ViewRows]:
        """Return each view's rows, in the order of its keys."""


def task_rows(reader: Lookup, questions: Sequence[TaskQuestion], as_of: datetime) -> ServiceRows:
    """Read a row for each question, in their order.

    Args:
        reader: of the online store, or the copy.
        questions: may share workflows, people, activities and teams.
        as_of: now, in the data's time.

    Returns:
        workflow_id, as_of, is_known (false: no such workflow), is_closed, closed_at,
        features_known_at (of the workflow's progress), activity, person_id, team_id and the
        features as `training_set` names them.

    Raises:
        FeatureStoreError: Valkey does not answer.
    """
    status = FeatureView.WORKFLOW_STATUS
    keys = {view: _keys(view, questions) for view in (*_VIEWS, status)}
    unique = {
        view: list(dict.fromkeys(k for k in of if k is not None)) for view, of in keys.items()
    }
    found = reader.lookup({view: known for view, known in unique.items() if known}, as_of)

    # Where each question's row stands among those read; one that was not asked for stands last.
    places = {view: _places(unique[view], keys[view]) for view in keys}

    def placed(view: FeatureView, values: Sequence[Any]) -> list[Any]:
        return list(map((*values, None).__getitem__, places[view]))

    progress, of_status = found[FeatureView.WORKFLOW_PROGRESS], found[status]
    is_known = [a or b for a, b in zip(progress.is_found, of_status.is_found, strict=True)]
    columns: dict[str, Sequence[Any]] = {
        WORKFLOW_ID: [question.workflow_id for question in questions],
        AS_OF: [as_of] * len(questions),
        "is_known": placed(status, is_known),
        "is_closed": placed(status, of_status.columns["is_closed"]),
        "closed_at": placed(status, of_status.columns["closed_at"]),
        "features_known_at": placed(FeatureView.WORKFLOW_PROGRESS, progress.known_at),
        "activity": [question.activity for question in questions],
        "person_id": [question.person_id for question in questions],
        "team_id": [question.team_id for question in questions],
    }
    for view in _VIEWS:
        known = found[view].columns if view in found else {}
        for name, full_name in _NAMES[view]:
            columns[full_name] = placed(view, known.get(name, ()))
    return ServiceRows(columns, _TYPES)


def _places(unique: Sequence[Key], keys: Sequence[Key | None]) -> list[int]:
    at: dict[Key | None, int] = {key: place for place, key in enumerate(unique)}
    return [at.get(key, len(unique)) for key in keys]


def _keys(view: FeatureView, questions: Sequence[TaskQuestion]) -> list[Key | None]:
    """Return each question's key in a view; None where a part of it is not known."""
    parts = [[getattr(one, name) for one in questions] for name in _ENTITIES[view]]
    return [None if None in key else key for key in zip(*parts, strict=True)]


_TYPES: Final = {
    WORKFLOW_ID: pa.string(),
    AS_OF: TIMESTAMP,
    "is_known": pa.bool_(),
    "is_closed": pa.bool_(),
    "closed_at": TIMESTAMP,
    "features_known_at": TIMESTAMP,
    **dict.fromkeys(DERIVED_KEYS, pa.string()),
    **{
        qualified(view, column.name): column.dtype
        for view in _VIEWS
        for column in VIEWS[view].columns
    },
}
