"""Read rows of views by their keys: any number of keys and views in one round trip."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from pipelines.contracts import FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import ViewSpec
from pipelines.store.clock import microseconds
from pipelines.store.online_rows import OnlineRow, ViewRows
from pipelines.store.online_view import FOREIGN, Key, OnlineView
from pipelines.store.service_plan import Found, Part
from pipelines.store.stamp import has_content
from pipelines.store.valkey import Valkey, answering, bulk, command, command_start, require

_REMEMBERED: Final = 16_384  # commands for a kind of entity, some hundred bytes each


class ViewReader:
    """Reads views from the online store; make one for each process, threads may share it.

    Feast ignores time-to-live online; here it holds. Rows are read packed (see `packed`), and
    from Feast's own fields where somebody else has written those since.
    """

    def __init__(self, url: str, specs: Iterable[ViewSpec]) -> None:
        self._valkey = Valkey(url)
        self._views = {spec.name: OnlineView(spec) for spec in specs}
        self._commands: dict[tuple[FeatureView, ...], Callable[[Key], bytes]] = {}

    def lookup(
        self, keys: Mapping[FeatureView, Sequence[Key]], as_of: datetime
    ) -> dict[FeatureView, ViewRows]:
        """Read the rows that some views have for some keys.

        Args:
            keys: for each view its keys, each in the order of the view's entity columns; may
                repeat.
            as_of: now, in the data's time (the watermark): rows past their time-to-live then
                have no values.

        Raises:
            FeatureStoreError: Valkey does not answer.
        """
        # Views of one kind of entity lie in one hash, so one command reads them together.
        groups: dict[Key, list[OnlineView]] = {}
        for name in keys:
            view = self._views[name]
            groups.setdefault(view.entity.names, []).append(view)
        commands: list[bytes] = []
        asked: list[tuple[list[OnlineView], list[Key]]] = []
        for views in groups.values():
            unique = list(dict.fromkeys(key for view in views for key in keys[view.spec.name]))
            asked.append((views, unique))
            commands += map(self._command(views), unique)
        with answering():
            replies = iter(map(require, self._valkey.ask(commands)))
            parts: list[Part] = [
                (views, dict(zip(unique, replies, strict=False))) for views, unique in asked
            ]
            found = self._decoded(parts, microseconds(as_of))
        return {
            name: ViewRows(self._views[name].spec, [found[name][key] for key in asked_keys])
            for name, asked_keys in keys.items()
        }

    def require_content(self) -> None:
        """See that the store holds features at all; who finds nothing should ask.

        Raises:
            FeatureStoreError: it does not, or Valkey does not answer.
        """
        with answering():
            if not has_content(self._valkey):
                raise FeatureStoreError(
                    "the online store holds no features: nothing has been written to it, or it has "
                    "lost them; run the DAG build_features"
                )

    def _command(self, views: Sequence[OnlineView]) -> Callable[[Key], bytes]:
        """Return what writes the command for a key; it remembers keys asked for again."""
        names = tuple(view.spec.name for view in views)
        if names not in self._commands:
            self._commands[names] = lru_cache(_REMEMBERED)(packed_read(views))
        return self._commands[names]

    def _decoded(self, parts: Sequence[Part], as_of_us: int) -> Found:
        found: dict[FeatureView, dict[Key, OnlineRow | None]] = {}
        foreign: list[tuple[OnlineView, Key]] = []
        for views, replies in parts:
            for i, view in enumerate(views):
                rows = view.rows(replies, 2 * i, as_of_us)
                foreign += [(view, key) for key, row in rows.items() if row is FOREIGN]
                found.setdefault(view.spec.name, {}).update(rows)
        commands = [
            command(b"HMGET", view.entity.address(key), *view.feast_fields) for view, key in foreign
        ]
        for (view, key), reply in zip(foreign, self._valkey.ask(commands), strict=True):
            found[view.spec.name][key] = view.feast_row(require(reply), as_of_us)
        return found


def packed_read(views: Sequence[OnlineView]) -> Callable[[Key], bytes]:
    """Return what writes the command that reads a key's packed rows; views of one entity."""
    fields = [field for view in views for field in view.packed_fields]
    start = command_start(b"HMGET", 1 + len(fields))
    end = b"".join(map(bulk, fields))
    address = views[0].entity.address
    return lambda key: start + bulk(address(key)) + end
