"""The feature store on real PostgreSQL and Valkey: what training sees is what serving sees."""

import shutil
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import redis
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Int64
from pandas.testing import assert_frame_equal

from pipelines.contracts import EVENT_TIMESTAMP, FEATURE_MODELS
from pipelines.contracts import FeatureView as Name
from pipelines.errors import FeatureStoreError, SettingsError
from pipelines.features.views import VIEWS, qualified
from pipelines.store.definitions import MODEL_VIEWS
from pipelines.store.materialize import materialize
from pipelines.store.online import OnlineReader
from pipelines.store.online_remove import view_fields
from pipelines.store.repo import apply, connection_string, open_store
from pipelines.store.training_sets import training_set
from tests.store.lake_of_features import WATERMARK, event_moments, write_lake

pytestmark = pytest.mark.integration

TICK = timedelta(microseconds=1)
JUST_BEFORE = WATERMARK - TICK  # rows that became known at the watermark are not yet in
SERVICES = [model.value for model in FEATURE_MODELS]


@pytest.fixture
def workflows(settings):
    ids = write_lake(settings.lake)
    apply(settings)
    return ids


def offline_now(settings, ids, service="remaining_time", moment=JUST_BEFORE):
    frame = pd.DataFrame({"workflow_id": ids, EVENT_TIMESTAMP: pd.Timestamp(moment)})
    return training_set(open_store(settings), frame, service)


def test_apply_is_idempotent_and_removes_what_is_gone(settings):
    first = apply(settings)
    assert set(first.views) == {name.value for name in Name}
    assert first.services == tuple(SERVICES)
    store = open_store(settings)
    old = Entity(name="old", join_keys=["old_id"], value_type=ValueType.STRING)
    source = FileSource(path="old.parquet", timestamp_field="event_timestamp")
    view = FeatureView(
        name="old_view", entities=[old], schema=[Field(name="x", dtype=Int64)], source=source
    )
    store.apply([old, view])
    again = apply(settings)
    assert set(again.removed) == {"old", "old_view", "old.parquet"}
    assert apply(settings).removed == ()
    after = open_store(settings)
    assert {v.name for v in after.list_feature_views()} == set(first.views)
    assert {s.name for s in after.list_feature_services()} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_online_is_offline_as_known_at_the_watermark(settings, workflows, service):
    materialize(settings, None, WATERMARK)
    ids = [*workflows, "nobody", workflows[0]]
    online = OnlineReader(settings).read(ids, service, JUST_BEFORE).frame
    offline = offline_now(settings, ids, service)
    assert_frame_equal(
        online[offline.columns.drop(EVENT_TIMESTAMP)], offline.drop(columns=EVENT_TIMESTAMP)
    )
    features = [qualified(name, c.name) for name in MODEL_VIEWS for c in VIEWS[name].columns]
    assert list(offline.columns[-len(features) :]) == features
    # The comparison is of something: every view has values and has gaps.
    for name in MODEL_VIEWS:
        column = online[qualified(name, VIEWS[name].columns[0].name)]
        assert 0 < column.notna().sum() < len(column), name
    assert list(online["is_known"][-2:]) == [False, True]


def test_status_comes_with_the_features(settings, workflows):
    materialize(settings, None, WATERMARK)
    online = OnlineReader(settings).read(workflows, "remaining_time", JUST_BEFORE).frame
    store = open_store(settings)
    frame = pd.DataFrame({"workflow_id": workflows, EVENT_TIMESTAMP: pd.Timestamp(JUST_BEFORE)})
    status = store.get_historical_features(
        frame, ["workflow_status:is_closed", "workflow_status:closed_at"]
    ).to_arrow()
    assert online["is_closed"].astype(object).where(online["is_closed"].notna(), None).tolist() == (
        status.column("is_closed").to_pylist()
    )
    known_at = online["features_known_at"].dropna()
    assert len(known_at) > 100
    assert (known_at < WATERMARK).all()


def test_increments_end_where_all_at_once_does(settings, workflows):
    steps = [WATERMARK - timedelta(days=d) for d in (40, 25, 9, 0)]
    materialize(settings, None, steps[0])
    for start, end in pairwise(steps):
        materialize(settings, start, end)
    increments = _everything(settings)
    redis.Redis.from_url(settings.valkey).flushall()
    materialize(settings, None, WATERMARK)
    assert increments == _everything(settings)


def test_all_at_once_removes_what_the_lake_no_longer_has(settings, workflows):
    client = redis.Redis.from_url(settings.valkey)
    client.set("somebody else's", "value")
    materialize(settings, None, WATERMARK)
    before = _everything(settings)
    removed = materialize(settings, None, WATERMARK - timedelta(days=50)).removed_count
    assert 0 < removed < len(before)
    assert client.get("somebody else's") == b"value"
    assert len(_everything(settings)) == len(before) - removed


def test_all_at_once_removes_a_view_of_an_entity_that_stays(settings, workflows):
    """Progress and status of a workflow lie in one hash; only the status goes."""
    materialize(settings, None, WATERMARK)
    before = _everything(settings)
    shutil.rmtree(Path(settings.lake) / "features" / "workflow_status")
    removed = materialize(settings, None, WATERMARK).removed_count
    after = _everything(settings)
    assert len(before) - len(after) == removed
    assert len(after) > len(workflows) / 2
    spec = VIEWS[Name.WORKFLOW_STATUS]
    gone = {field for key in after for field in before[key].keys() - after[key].keys()}
    assert gone == set(view_fields(spec))
    online = OnlineReader(settings).read(workflows, "remaining_time", JUST_BEFORE)
    assert set(online.columns["is_closed"]) == {None}
    assert any(online.columns["is_known"])


def test_progress_and_counts(settings, workflows):
    seen = []
    result = materialize(settings, None, WATERMARK, lambda *step: seen.append(step))
    assert set(result.rows) == set(Name)
    last = {view: (done, total) for view, done, total in seen}
    assert last == {view: (count, count) for view, count in result.rows.items()}


def test_view_without_files(settings):
    ids = write_lake(settings.lake, without="team_load")
    apply(settings)
    materialize(settings, None, WATERMARK)
    online = OnlineReader(settings).read(ids, "delay_risk", JUST_BEFORE).frame
    offline = offline_now(settings, ids, "delay_risk")
    assert online["team_load__open_task_count"].isna().all()
    assert_frame_equal(
        online[offline.columns.drop(EVENT_TIMESTAMP)], offline.drop(columns=EVENT_TIMESTAMP)
    )


def test_later_rows_never_reach_an_earlier_moment(settings, workflows):
    """Rows that became known after a moment may be lost without changing the training set."""
    moments = event_moments(settings.lake)
    moments = moments[moments[EVENT_TIMESTAMP] < WATERMARK - timedelta(days=30)]
    whole = training_set(open_store(settings), moments, "remaining_time")
    _cut(settings.lake, WATERMARK - timedelta(days=30))
    cut = training_set(open_store(settings), moments, "remaining_time")
    assert_frame_equal(whole, cut)


def test_entities_keep_order_duplicates_and_columns(settings, workflows):
    frame = pd.DataFrame(
        {
            "note": pd.Categorical(["x", "y", "x"]),
            "workflow_id": [workflows[3], workflows[1], workflows[3]],
            "as_of": pd.Timestamp(JUST_BEFORE),
        },
        index=[7, 7, 1],
    )
    result = training_set(open_store(settings), frame, "remaining_time")
    assert result["workflow_id"].tolist() == frame["workflow_id"].tolist()
    assert result["note"].tolist() == ["x", "y", "x"]
    assert result.iloc[0].equals(result.iloc[2])


def test_errors_say_what_to_do(settings, workflows):
    store = open_store(settings)
    frame = pd.DataFrame({"workflow_id": workflows[:1], EVENT_TIMESTAMP: pd.Timestamp(WATERMARK)})
    with pytest.raises(FeatureStoreError, match="No feature service 'nothing'"):
        training_set(store, frame, "nothing")
    with pytest.raises(FeatureStoreError, match="None of the 1 moments"):
        training_set(store, frame.assign(workflow_id="nobody"), "remaining_time")
    with pytest.raises(FeatureStoreError, match="lacks workflow_id"):
        training_set(store, frame.drop(columns="workflow_id"), "remaining_time")
    with pytest.raises(FeatureStoreError, match="the start is after the end"):
        materialize(settings, WATERMARK, WATERMARK - TICK)
    gone = settings.model_copy(update={"valkey_url": None, "valkey_port": 1})
    with pytest.raises(FeatureStoreError, match="WORKCAST_VALKEY_URL"):
        OnlineReader(gone).read(workflows[:1], "remaining_time", WATERMARK)


def test_connection_string():
    assert connection_string("redis://localhost") == "localhost:6379,db=0"
    assert connection_string("rediss://me:p%40ss@host:7000/2") == (
        'host:7000,db=2,username="me",password="p@ss",ssl=true'
    )
    with pytest.raises(SettingsError, match="comma"):
        connection_string("redis://:a,b@host")


def _everything(settings):
    client = redis.Redis.from_url(settings.valkey)
    return {key: client.hgetall(key) for key in client.keys(b"*workcast")}


def _cut(lake, until):

    for path in Path(lake).glob("features/*/*/part.parquet"):
        table = pq.ParquetFile(path).read()
        known = table.to_pandas()[["event_timestamp", "created_timestamp"]].max(axis=1) < until
        pq.write_table(table.filter(known.to_numpy()), path)
