"""What reading one feature service takes: the script's arguments, and rows from its replies."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pipelines.contracts import FeatureView
from pipelines.features.views import qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.store.addresses import feature_field
from pipelines.store.definitions import PROJECT
from pipelines.store.online_rows import OnlineRow, ServiceRows, ViewRows
from pipelines.store.online_view import Key, OnlineView, Reply
from pipelines.store.protobuf import decoded_text
from pipelines.store.training_sets import AS_OF, DERIVED_KEYS, WORKFLOW_ID
from pipelines.store.valkey import bulk, command_start

Found = Mapping[FeatureView, Mapping[Key, OnlineRow | None]]
Find = Callable[[FeatureView, Sequence[Key]], Mapping[Key, OnlineRow | None]]
Part = tuple[Sequence[OnlineView], dict[Key, Reply]]

_PROGRESS: Final = FeatureView.WORKFLOW_PROGRESS
_STATUS: Final = FeatureView.WORKFLOW_STATUS
_SCRIPT: Final = Path(__file__).with_name("follow.lua").read_bytes()
_SHA: Final = sha1(_SCRIPT, usedforsecurity=False).hexdigest().encode()
_SOURCES: Final = tuple(DERIVED_KEYS.values())
_TYPES: Final = {
    WORKFLOW_ID: pa.string(),
    AS_OF: TIMESTAMP,
    "is_known": pa.bool_(),
    "is_closed": pa.bool_(),
    "closed_at": TIMESTAMP,
    "features_known_at": TIMESTAMP,
    **dict.fromkeys(DERIVED_KEYS, pa.string()),
}


class ServicePlan:
    """The views of one feature service, and those that every answer needs."""

    def __init__(
        self, names: Sequence[FeatureView], views: Mapping[FeatureView, OnlineView]
    ) -> None:
        self._views = views
        own = (_PROGRESS, _STATUS)
        of_workflows = views[_PROGRESS].entity.names
        others = [n for n in names if n not in own]
        self._own = [views[n] for n in own] + [
            views[n] for n in others if views[n].entity.names == of_workflows
        ]
        followed: dict[Key, list[OnlineView]] = {}
        for name in others:
            if views[name].entity.names != of_workflows:
                followed.setdefault(views[name].entity.names, []).append(views[name])
        self._followed = followed
        # In the order of a ViewRows' columns.
        self._features = {
            name: [qualified(name, column.name) for column in views[name].spec.columns]
            for name in names
        }
        # The same in every question: written once.
        arguments = self._script_arguments()
        self._argument_count, self._arguments = len(arguments), b"".join(map(bulk, arguments))
        self._types = _TYPES | {
            qualified(name, column.name): column.dtype
            for name in names
            for column in views[name].spec.columns
        }

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that `rows` gives."""
        return frozenset(self._types)

    def script(self, workflow_ids: Sequence[str], *, whole: bool) -> bytes:
        """Write the command that runs the script, by its hash or `whole`."""
        name, text = (b"EVAL", _SCRIPT) if whole else (b"EVALSHA", _SHA)
        entity = self._own[0].entity
        keys = [entity.address((workflow_id,)) for workflow_id in workflow_ids]
        return b"".join(
            [
                command_start(name, 2 + len(keys) + self._argument_count),
                *map(bulk, (text, b"%d" % len(keys), *keys)),
                self._arguments,
            ]
        )

    def parts(self, workflow_ids: Sequence[str], replies: Sequence[Reply]) -> list[Part]:
        """Tell whose fields the script's replies are, as it followed the keys."""
        own = replies[: len(workflow_ids)]
        rest = iter(replies[len(workflow_ids) :])
        followed: dict[Key, dict[Key, Reply]] = {names: {} for names in self._followed}
        for reply in own:
            for names, known in followed.items():
                key = _followed_key(names, reply)
                if key is not None and key not in known:
                    known[key] = next(rest)
        mine: dict[Key, Reply] = {
            (i,): reply[len(_SOURCES) :] for i, reply in zip(workflow_ids, own, strict=True)
        }
        return [(self._own, mine), *((self._followed[n], known) for n, known in followed.items())]

    def follow(self, workflow_ids: Sequence[str], find: Find) -> Found:
        """Find the rows of workflows and those that their progress names, step by step."""
        mine = [(workflow_id,) for workflow_id in workflow_ids]
        found = {view.spec.name: find(view.spec.name, mine) for view in self._own}
        spec = self._views[_PROGRESS].spec
        places = {column.name: place for place, column in enumerate(spec.columns)}
        known = [row.features for row in found[_PROGRESS].values() if row and row.features]
        for names, views in self._followed.items():
            sources = [places[DERIVED_KEYS[name]] for name in names]
            keys = [tuple(features[place] for place in sources) for features in known]
            named = [key for key in keys if None not in key]
            found |= {view.spec.name: find(view.spec.name, named) for view in views}
        return found

    def rows(self, workflow_ids: Sequence[str], as_of: datetime, found: Found) -> ServiceRows:
        """Put the rows of all views side by side, one for each workflow."""
        mine = [(workflow_id,) for workflow_id in workflow_ids]
        progress = ViewRows(self._views[_PROGRESS].spec, [found[_PROGRESS][key] for key in mine])
        status = ViewRows(self._views[_STATUS].spec, [found[_STATUS][key] for key in mine])
        of_progress, of_status = progress.columns, status.columns
        keys = {name: of_progress[source] for name, source in DERIVED_KEYS.items()}
        columns: dict[str, Sequence[Any]] = {
            WORKFLOW_ID: workflow_ids,
            AS_OF: [as_of] * len(mine),
            "is_known": [a or b for a, b in zip(progress.is_found, status.is_found, strict=True)],
            "is_closed": of_status["is_closed"],
            "closed_at": of_status["closed_at"],
            "features_known_at": progress.known_at,
            **keys,
        }
        keys[WORKFLOW_ID] = workflow_ids
        for name, features in self._features.items():
            view = self._views[name]
            asked = zip(*(keys[column] for column in view.entity.names), strict=True)
            rows = found.get(name, {})
            # A key of an expired row is None, and so is what it would have led to.
            view_rows = ViewRows(view.spec, [rows.get(key) for key in asked])
            columns.update(zip(features, view_rows.columns.values(), strict=True))
        return ServiceRows(columns, self._types)

    def _script_arguments(self) -> list[bytes]:
        sources = [feature_field(_PROGRESS, source) for source in _SOURCES]
        own = [field for view in self._own for field in view.packed_fields]
        arguments = [PROJECT.encode(), *_list([*sources, *own])]
        places = {name: i + 1 for i, name in enumerate(DERIVED_KEYS)}
        for names, views in self._followed.items():
            entity = views[0].entity
            arguments += [
                entity.prefix,
                *_list([b"%d" % places[names[i]] for i in entity.order]),
                *_list([field for view in views for field in view.packed_fields]),
            ]
        return arguments


def _list(items: Sequence[bytes]) -> list[bytes]:
    return [b"%d" % len(items), *items]


def _followed_key(names: Sequence[str], reply: Reply) -> Key | None:
    """Return the key that a workflow's own fields name; None where one of them is missing."""
    sources = dict(zip(DERIVED_KEYS, reply, strict=False))
    key = tuple(decoded_text(sources[name]) for name in names)
    return None if None in key else key  # type: ignore[return-value]
