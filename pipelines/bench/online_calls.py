"""The ways to read the online store that are measured, all of the same rows of one Valkey."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64
from pydantic import SecretStr

from pipelines import contracts
from pipelines.bench.view_rows import random_rows
from pipelines.contracts import EVENT_TIMESTAMP
from pipelines.features.views import PERSON_ID, VIEWS, FeatureColumn, ViewSpec
from pipelines.settings import Settings
from pipelines.store.definitions import MODEL_VIEWS, PROJECT, feast_definitions
from pipelines.store.online import OnlineReader
from pipelines.store.online_rows import ViewRows
from pipelines.store.online_view import OnlineView
from pipelines.store.online_write import OnlineWriter
from pipelines.store.repo import connection_string
from pipelines.store.training_sets import DERIVED_KEYS
from pipelines.store.valkey import Valkey, command
from pipelines.store.view_reader import ViewReader, packed_read

Call = Callable[[], Any]
Values = dict[str, Sequence[Any]]

RAW: Final = "packed bytes, replies unread"
RAW_FEAST: Final = "Feast's bytes, replies unread"
RAW_PIPELINE: Final = "Feast's bytes, redis-py pipeline"
FEAST: Final = "Feast get_online_features().to_dict()"
OURS: Final = "Workcast"

NOW: Final = datetime(2024, 6, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUESTIONS: Final = 50  # different ones, asked in turn
_BATCH: Final = 2_000
_WORDS: Final = [f"word {i}" for i in range(100)]
_FLOATS: Final = tuple(FeatureColumn(f"value_{i}", pa.float64(), "") for i in range(4))
# Three views of four numbers about a person, under three of the platform's names.
NARROW: Final = tuple(
    replace(VIEWS[name], entities=(PERSON_ID,), columns=_FLOATS)
    for name in (
        contracts.FeatureView.PERSON_WORKLOAD,
        contracts.FeatureView.PERSON_ACTIVITY,
        contracts.FeatureView.TEAM_LOAD,
    )
)


class NarrowViews:
    """Three views of four numbers each, for many people."""

    def __init__(self, url: str, folder: Path, key_count: int, rng: np.random.Generator) -> None:
        self._url = url
        self._rng = rng
        self._people = [f"person {i}" for i in range(key_count)]
        for spec in NARROW:
            write_rows(url, spec, random_rows(spec, {"person_id": self._people}, NOW, rng))
        self._reader = ViewReader(url, NARROW)
        self._store = _feast(url, folder)
        person = Entity(name="person", join_keys=["person_id"], value_type=ValueType.STRING)
        views = [_narrow_view(spec, person) for spec in NARROW]
        self._store.apply([person, *views])
        self._refs = [f"{spec.name.value}:{c.name}" for spec in NARROW for c in spec.columns]

    def calls(self, count: int) -> dict[str, Call]:
        """Return the ways to ask for `count` people, each with questions of its own turn."""
        questions = [self._rng.choice(self._people, count).tolist() for _ in range(_QUESTIONS)]
        views = [OnlineView(spec) for spec in NARROW]
        keys = [list(dict.fromkeys((person,) for person in people)) for people in questions]
        address = views[0].entity.address
        ours_ready = [list(map(packed_read(views), k)) for k in keys]
        # As Feast asks: a command for each view and key.
        feast_ready = [
            [command(b"HMGET", address(key), *_feast_fields(view)) for view in views for key in k]
            for k in keys
        ]
        valkey, client = Valkey(self._url), redis.Redis.from_url(self._url)
        listed = [[(address(key), _feast_fields(v)) for v in views for key in k] for k in keys]
        return {
            RAW: _in_turn(valkey.ask, ours_ready),
            RAW_FEAST: _in_turn(valkey.ask, feast_ready),
            RAW_PIPELINE: _in_turn(lambda asked: _pipeline(client, asked), listed),
            FEAST: _in_turn(self.feast_values, questions),
            OURS: _in_turn(self.our_values, questions),
        }

    def our_values(self, people: Sequence[str]) -> Values:
        """Return the columns of all views as the platform reads them."""
        keys = [(person,) for person in people]
        found = self._reader.lookup({spec.name: keys for spec in NARROW}, NOW)
        return _columns(found)

    def feast_values(self, people: Sequence[str]) -> Values:
        """Return the columns of all views as Feast reads them."""
        rows = [{"person_id": person} for person in people]
        read = self._store.get_online_features(self._refs, rows, full_feature_names=True)
        values: Values = read.to_dict()
        return values


class PlatformViews:
    """The platform's own views: a workflow's for a model, and those of candidates for a task."""

    def __init__(self, url: str, folder: Path, key_count: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._workflows = [f"workflow {i}" for i in range(key_count)]
        self._people = [f"person {i}" for i in range(key_count)]
        words: dict[str, Sequence[str]] = {
            DERIVED_KEYS["activity"]: _WORDS[:1],
            DERIVED_KEYS["person_id"]: self._people,
            DERIVED_KEYS["team_id"]: _WORDS,
        }
        for spec in VIEWS.values():
            keys = self._keys(spec.entity_columns)
            write_rows(url, spec, random_rows(spec, keys | words, NOW, rng))
        settings = Settings(valkey_url=SecretStr(url), lake_url=str(folder), _env_file=None)
        self._reader = OnlineReader(settings)
        self._store = _feast(url, folder)
        self._store.apply(feast_definitions(str(folder)).objects)

    def model_calls(self) -> dict[str, Call]:
        """Return the ways to ask for one workflow."""
        questions = [[str(self._rng.choice(self._workflows))] for _ in range(_QUESTIONS)]
        return {
            FEAST: _in_turn(self._feast_model, questions),
            OURS: _in_turn(self._our_model, questions),
        }

    def candidate_calls(self, count: int) -> dict[str, Call]:
        """Return the ways to ask for the workload of people and their experience of a task."""
        questions = [self._rng.choice(self._people, count).tolist() for _ in range(_QUESTIONS)]
        return {
            FEAST: _in_turn(self._feast_candidates, questions),
            OURS: _in_turn(self._our_candidates, questions),
        }

    def _our_candidates(self, people: Sequence[str]) -> Values:
        return _columns(self._reader.candidates(people, _WORDS[0], NOW))

    def _feast_candidates(self, people: Sequence[str]) -> Values:
        rows = [{"person_id": person, "activity": _WORDS[0]} for person in people]
        return self._ask(("person_workload", "person_activity"), rows)

    def _our_model(self, workflow_ids: Sequence[str]) -> Values:
        columns = self._reader.read(workflow_ids, "remaining_time", NOW).columns
        return {name: list(values) for name, values in columns.items() if "__" in name}

    def _feast_model(self, workflow_ids: Sequence[str]) -> Values:
        # First the keys, then their rows.
        first = self._ask(
            ("workflow_progress", "workflow_status"), [{"workflow_id": workflow_ids[0]}]
        )
        keys = {k: first[f"workflow_progress__{source}"][0] for k, source in DERIVED_KEYS.items()}
        others = [name.value for name in MODEL_VIEWS[1:]]
        return first | self._ask(others, [keys])

    def _keys(self, names: Sequence[str]) -> dict[str, Sequence[str]]:
        """Return keys for a view: workflows, the first of the words, or people who did it."""
        keys: dict[str, Sequence[str]] = dict.fromkeys(names, _WORDS)
        if "workflow_id" in keys:
            keys["workflow_id"] = self._workflows
        if "person_id" in keys:
            keys["person_id"] = self._people
            keys |= {name: _WORDS[:1] * len(self._people) for name in names if name == "activity"}
        return keys

    def _ask(self, views: Sequence[str], rows: list[dict[str, Any]]) -> Values:
        refs = [f"{v}:{c.name}" for v in views for c in VIEWS[contracts.FeatureView(v)].columns]
        read = self._store.get_online_features(refs, rows, full_feature_names=True)
        values: Values = read.to_dict()
        return values


def plain(value: Any) -> Any:
    """Return a value as Feast's online format has it: times as counts of microseconds."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    return value


def write_rows(url: str, spec: ViewSpec, rows: pa.Table) -> None:
    """Write rows as materialisation does."""
    writer = OnlineWriter(spec, Valkey(url, answer_seconds=30.0))
    for offset in range(0, rows.num_rows, _BATCH):
        writer.write(rows.slice(offset, _BATCH))


def _feast(url: str, folder: Path) -> FeatureStore:
    folder.mkdir(parents=True)
    return FeatureStore(
        config=RepoConfig(
            project=PROJECT,
            provider="local",
            registry={"registry_type": "file", "path": str(folder / "registry.db")},
            online_store={"type": "redis", "connection_string": connection_string(url)},
            offline_store={"type": "pipelines.store.offline.DuckDBLakeOfflineStore"},
            entity_key_serialization_version=3,
        )
    )


def _narrow_view(spec: ViewSpec, person: Entity) -> FeatureView:
    return FeatureView(
        name=spec.name.value,
        entities=[person],
        schema=[Field(name=column.name, dtype=Float64) for column in spec.columns],
        source=FileSource(name=spec.name.value, path="none", timestamp_field=EVENT_TIMESTAMP),
    )


def _feast_fields(view: OnlineView) -> tuple[bytes, ...]:
    """Return what Feast asks for: the features and the event time."""
    time, _, *features = view.feast_fields
    return (*features, time)


def _pipeline(client: redis.Redis, asked: Sequence[tuple[bytes, tuple[bytes, ...]]]) -> list[Any]:
    with client.pipeline(transaction=False) as pipe:
        for address, fields in asked:
            pipe.execute_command("HMGET", address, *fields)  # type: ignore[no-untyped-call]
        return list(pipe.execute())


def _columns(found: Mapping[contracts.FeatureView, ViewRows]) -> Values:
    return {
        f"{view.value}__{name}": values
        for view, rows in found.items()
        for name, values in rows.columns.items()
    }


def _in_turn(ask: Callable[[Any], Any], questions: Sequence[Any]) -> Call:
    turn: Iterator[Any] = cycle(questions)
    return lambda: ask(next(turn))
