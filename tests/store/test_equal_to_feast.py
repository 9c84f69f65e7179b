"""Random frames through Feast's own call: equal to Feast's DuckDB store where that is right.

Where it is not, ours is held against the oracle, and what Feast's store does is asserted too:
when a release mends it, the test fails and the case can move to the first test.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.data_format import ParquetFormat
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

from tests.store.oracle import Row, value_seen

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TTL = 6 * HOUR
OURS = {"type": "pipelines.store.offline.DuckDBLakeOfflineStore"}
STOCK = {"type": "duckdb"}


def feature_table(rng: np.random.Generator, count: int) -> pa.Table:
    """Rows on whole hours, so that events tie and lie on the edge of time-to-live."""
    events = rng.integers(0, 48, count)
    # No two created times are equal: rows equal in key and both times are forbidden.
    created = events + rng.permutation(count) / count + rng.choice([0, 0, 3, 20], count)
    people = rng.choice(["a", "b", "c", "d"], count)
    # Nor are two rows without one of the same key and event.
    _, first = np.unique(np.char.add(people, events.astype(str)), return_index=True)
    unknown = np.isin(np.arange(count), first) & (rng.random(count) < 0.3)
    columns = {
        "person_id": people,
        "activity": rng.integers(0, 3, count),
        "at": times(events),
        "known_at": pa.array(times(created).to_pylist(), times(created).type, mask=unknown),
        "score_raw": pa.array(rng.normal(size=count), mask=rng.random(count) < 0.2),
        "mood": pa.array(
            rng.choice(["good", "bad"], count).astype(object), mask=rng.random(count) < 0.2
        ),
    }
    return pa.table(columns)


def times(hours: np.ndarray) -> pa.Array:
    return pa.array([START + float(h) * HOUR for h in hours], pa.timestamp("us", "UTC"))


def entity_frame(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Keys, some unknown, on whole hours; a fifth of the rows are there twice."""
    frame = pd.DataFrame(
        {
            "note": np.arange(count),
            "person_id": rng.choice(["a", "b", "c", "d", "nobody"], count),
            "activity": rng.integers(0, 4, count),
            "event_timestamp": times(rng.integers(-2, 60, count)).to_pandas(),
        }
    )
    return pd.concat([frame, frame.iloc[: count // 5]], ignore_index=True)


def definitions(folder: Path) -> list:
    person = Entity(name="person", join_keys=["person_id"], value_type=ValueType.STRING)
    activity = Entity(name="task", join_keys=["activity"], value_type=ValueType.INT64)

    def view(name: str, entities: list[Entity], ttl: timedelta | None) -> FeatureView:
        return FeatureView(
            name=name,
            entities=entities,
            ttl=ttl,
            schema=[
                Field(name="person_id", dtype=String),
                *([Field(name="activity", dtype=Int64)] if len(entities) > 1 else []),
                Field(name="score", dtype=Float64),
                Field(name="mood", dtype=String),
            ],
            source=FileSource(
                path=str(folder / f"{name}.parquet"),
                file_format=ParquetFormat(),
                timestamp_field="at",
                created_timestamp_column="known_at",
                field_mapping={"score_raw": "score"},
            ),
        )

    return [
        person,
        activity,
        view("persons", [person], TTL),
        view("skills", [person, activity], None),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("stores")


@pytest.fixture(scope="module")
def stores(folder) -> dict[str, FeatureStore]:
    opened = {}
    for name, offline_store in (("ours", OURS), ("stock", STOCK)):
        config = RepoConfig(
            project="test",
            provider="local",
            registry=str(folder / f"{name}.db"),
            online_store=None,
            offline_store=offline_store,
            entity_key_serialization_version=3,
        )
        opened[name] = FeatureStore(config=config)
        opened[name].apply(definitions(folder))
    return opened


def write(folder: Path, seed: int) -> tuple[dict[str, pa.Table], pd.DataFrame]:
    rng = np.random.default_rng(seed)
    tables = {name: feature_table(rng, 150) for name in ("persons", "skills")}
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return tables, entity_frame(rng, 80)


def retrieve(store: FeatureStore, entities: pd.DataFrame, features, *, known: bool) -> pa.Table:
    store.config.offline_store.__dict__.pop("filter_by_created_timestamp", None)
    if store.config.offline_store.type == OURS["type"]:
        store.config.offline_store.filter_by_created_timestamp = known
    job = store.get_historical_features(
        entities.copy(), features, full_feature_names=True, filter_by_created_timestamp=known
    )
    return job.to_arrow()


REFS = ["persons:score", "skills:mood", "persons:mood", "skills:score"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_values_are_those_of_feasts_store_and_of_the_oracle(stores, folder, seed, known):
    tables, entities = write(folder, seed)
    ours = retrieve(stores["ours"], entities, REFS, known=known)
    stock = retrieve(stores["stock"], entities, REFS, known=known).sort_by("note")
    # Feast's store gives the rows in any order, and its columns by view.
    assert sorted(stock.column_names) == sorted(ours.column_names)
    in_order = ours.sort_by("note")
    for name in ours.column_names:
        assert in_order.column(name).to_pylist() == stock.column(name).to_pylist(), name
        assert ours.field(name).type == stock.field(name).type
    for view, keys, ttl in (
        ("persons", ["person_id"], TTL),
        ("skills", ["person_id", "activity"], timedelta(0)),
    ):
        seen = oracle(tables[view], "score_raw", entities, keys, keys, ttl=ttl, known=known)
        assert ours.column(f"{view}__score").to_pylist() == seen


def oracle(table, value, entities, keys, entity_keys, *, ttl, known) -> list:
    columns = [table.column(name).to_pylist() for name in (*keys, "at", "known_at", value)]
    rows = [Row(tuple(r[: len(keys)]), *r[len(keys) :]) for r in zip(*columns, strict=True)]
    asked = zip(*(entities[name].tolist() for name in entity_keys), strict=True)
    moments = entities["event_timestamp"]
    return [
        value_seen(rows, key, moment.to_pydatetime(), ttl, known=known)
        for key, moment in zip(asked, moments, strict=True)
    ]


def test_partial_join_key_map(stores, folder):
    """Feast's store joins by the mapped keys alone and forgets the others."""
    tables, entities = write(folder, 11)
    entities = entities.rename(columns={"person_id": "helper"})
    found = {}
    for name, store in stores.items():
        view = store.get_feature_view("skills").with_name("helps")
        mapped = view.with_join_key_map({"person_id": "helper"})
        service = FeatureService(name="partial", features=[mapped])
        store.apply([service])
        found[name] = retrieve(store, entities, service, known=False).sort_by("note")
    seen = oracle(
        tables["skills"],
        "score_raw",
        entities.sort_values("note", kind="stable"),
        ["person_id", "activity"],
        ["helper", "activity"],
        ttl=timedelta(0),
        known=False,
    )
    assert found["ours"].column("helps__score").to_pylist() == seen
    assert found["stock"].column("helps__score").to_pylist() != seen


def test_moments_between_two_microseconds(stores, folder):
    """Feast's store refuses them."""
    tables, entities = write(folder, 12)
    nanoseconds = entities["event_timestamp"].dt.as_unit("ns")
    entities["event_timestamp"] = nanoseconds + pd.Timedelta(1, "ns")
    ours = retrieve(stores["ours"], entities, ["persons:score"], known=True)
    keys = ["person_id"]
    # A nanosecond later, only rows on the edge of their time-to-live are lost.
    seen = oracle(
        tables["persons"],
        "score_raw",
        entities,
        keys,
        keys,
        ttl=TTL - timedelta(microseconds=1),
        known=True,
    )
    assert ours.column("persons__score").to_pylist() == seen
    with pytest.raises(pa.ArrowInvalid, match="would lose data"):
        retrieve(stores["stock"], entities, ["persons:score"], known=True)


def test_saved_on_demand_features(stores, folder):
    """Feast's store leaves them out of the dataset, which then cannot be read back."""
    _, entities = write(folder, 14)
    for name, store in stores.items():
        persons = store.get_feature_view("persons")

        @on_demand_feature_view(
            sources=[persons], schema=[Field(name="double", dtype=Float64)], mode="pandas"
        )
        def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"double": inputs["score"] * 2})

        store.apply([doubled])
        job = store.get_historical_features(entities.copy(), ["persons:score", "doubled:double"])
        storage = SavedDatasetFileStorage(path=str(folder / f"saved_{name}.parquet"))
        job.persist(storage)
        saved = pq.read_table(storage.file_options.uri)
        assert ("double" in saved.column_names) is (name == "ours")
        store.delete_feature_view("doubled")


def test_order_of_rows_and_columns(stores, folder):
    """Feast's store promises none of the rows."""
    _, entities = write(folder, 13)
    ours = retrieve(stores["ours"], entities, REFS, known=True)
    assert ours.select(list(entities)).to_pandas().equals(entities)
    features = ["persons__score", "persons__mood", "skills__mood", "skills__score"]
    assert ours.column_names == [*entities, *features]
