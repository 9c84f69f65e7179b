"""Parity holds; and each way to break it on purpose is found and named."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import redis
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner

from pipelines import settings as settings_module
from pipelines.cli import app
from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView, Stage
from pipelines.errors import FeatureStoreError, ParityError
from pipelines.features.views import VIEWS
from pipelines.jobs.features import fill_online
from pipelines.jobs.parity import certify, certify_now
from pipelines.jobs.training import train_challenger
from pipelines.source.watermarks import set_watermark
from pipelines.store import online_view
from pipelines.store.addresses import Entity, feature_field, row_field, timestamp_field
from pipelines.store.certificate import (
    certificate_path,
    make_certificate,
    read_certificate,
    require_parity,
)
from pipelines.store.latest import latest_rows
from pipelines.store.materialize import materialize
from pipelines.store.online_write import OnlineWriter
from pipelines.store.parity import FEAST, SERVED
from pipelines.store.parity_sample import Kind
from pipelines.store.repo import apply
from pipelines.store.valkey import Valkey
from tests.store.lake_of_features import PEOPLE, TEAMS, WATERMARK, write_lake

pytestmark = pytest.mark.integration

WORKLOAD = VIEWS[FeatureView.PERSON_WORKLOAD]
PROGRESS = VIEWS[FeatureView.WORKFLOW_PROGRESS]
TEAM_LOAD = VIEWS[FeatureView.TEAM_LOAD]


@pytest.fixture
def built(settings, database):
    write_lake(settings.lake, 120)
    for spec in (WORKLOAD, PROGRESS):
        add_key(settings.lake, spec, "expired", WATERMARK - timedelta(days=spec.ttl_days + 1))
        add_key(settings.lake, spec, "later", WATERMARK)
    apply(settings)
    materialize(settings, None, WATERMARK)
    set_watermark(database, Stage.FEATURES, WATERMARK)
    return settings


def add_key(lake, spec, key, created):
    """Add one row, of a key of its own."""
    folder = Path(lake) / "features" / spec.name.value
    table = pq.ParquetFile(next(folder.glob("*/part.parquet"))).read().slice(0, 1)
    values = {spec.entity_columns[0]: key, EVENT_TIMESTAMP: created, CREATED_TIMESTAMP: created}
    for name, value in values.items():
        place = table.column_names.index(name)
        table = table.set_column(
            place, table.field(place), pa.array([value], table.field(place).type)
        )
    pq.write_table(table, folder / f"{key}.parquet")


@pytest.fixture
def client(settings):
    with redis.Redis.from_url(settings.valkey) as client:
        yield client


def address(person, spec=WORKLOAD):
    return Entity(spec.entity_columns).address((person,))


def latest(settings, spec, until=WATERMARK):
    ((table, _),) = latest_rows(settings.lake, spec, None, until)
    return table


def test_it_holds_and_is_written(built):
    certificate = certify_now(built, 60)
    assert certificate.mismatch_count == 0
    assert require_parity(certificate) is certificate
    assert read_certificate(built.lake, WATERMARK) == certificate
    assert [view.view for view in certificate.views] == [name.value for name in FeatureView]
    assert certificate.watermark == WATERMARK.isoformat()
    counts = {view.view: view.sampled_key_counts for view in certificate.views}
    progress = counts["workflow_progress"]
    assert sum(progress.values()) == 60 + progress[Kind.NOWHERE]
    for kind in (Kind.EXPIRED, Kind.LATER, Kind.WITH_NULLS, Kind.NOWHERE, Kind.PLAIN):
        assert progress[kind] > 0, kind
    assert all(view.compared_value_count for view in certificate.views)
    # The same stores give the same certificate, byte for byte.
    assert certify(built, WATERMARK.isoformat(), 60) == certificate.sha256
    assert make_certificate(built, WATERMARK, 61).sha256 != certificate.sha256


def wrong(settings, copies=(SERVED, FEAST)):
    """Make the certificate; return its mismatches, all of the given copies."""
    with pytest.raises(ParityError) as error:
        certify(settings, WATERMARK.isoformat())
    certificate = read_certificate(settings.lake, WATERMARK)
    assert certificate.mismatches
    assert {one.copy for one in certificate.mismatches} == set(copies)
    first = certificate.mismatches[0]
    for part in (
        first.view,
        repr(first.key),
        first.feature,
        first.offline_value,
        first.online_value,
        str(first.offline_event),
        str(first.online_event),
        str(first.offline_created),
        str(first.online_created),
        first.because,
    ):
        assert part in str(error.value)  # fmt: skip
    return certificate.mismatches


def living(settings, spec=WORKLOAD):
    """Return a row that has not expired."""
    rows = latest(settings, spec).to_pylist()
    oldest = WATERMARK - timedelta(days=spec.ttl_days)
    return next(row for row in rows if row["event_timestamp"] > oldest)


def test_wrong_value_in_feasts_fields(built, client):
    row = living(built)
    field = feature_field(WORKLOAD.name, "open_task_count")
    client.hset(address(row["person_id"]), field, Value(int64_val=7).SerializeToString())
    (one,) = wrong(built, [FEAST])
    assert (one.view, one.key, one.feature) == (
        "person_workload", (row["person_id"],), "open_task_count"
    )  # fmt: skip
    assert (one.offline_value, one.online_value) == (str(row["open_task_count"]), "7")
    assert one.because == "another value"
    assert one.offline_event == one.online_event == row["event_timestamp"].isoformat()


def test_wrong_value_in_the_served_row(built):
    table = latest(built, TEAM_LOAD)
    place = table.column_names.index("open_task_count")
    changed = table.set_column(place, table.field(place), [[41] * len(table)])
    OnlineWriter(TEAM_LOAD, Valkey(built.valkey)).write(changed)
    found = wrong(built)
    assert {one.feature for one in found} == {"open_task_count"}
    assert {one.online_value for one in found} == {"41"}


def test_null_is_not_zero(built, client):
    rows = latest(built, PROGRESS).to_pylist()
    oldest = WATERMARK - timedelta(days=PROGRESS.ttl_days)
    name = next(c.name for c in PROGRESS.columns if c.nullable and c.dtype == pa.float64())
    row = next(r for r in rows if r[name] is None and r["event_timestamp"] > oldest)
    field = feature_field(PROGRESS.name, name)
    key = address(row["workflow_id"], PROGRESS)
    client.hset(key, field, Value(double_val=0.0).SerializeToString())
    (one,) = wrong(built, [FEAST])
    assert (one.offline_value, one.online_value) == ("None", "0.0")


def test_stale_row(built):
    before = latest(built, WORKLOAD, WATERMARK - timedelta(days=30))
    row = before.filter(pc.equal(before.column("person_id"), PEOPLE[0]))
    OnlineWriter(WORKLOAD, Valkey(built.valkey)).write(row)
    found = wrong(built)
    assert {one.key for one in found} == {(PEOPLE[0],)}
    assert {one.because for one in found} == {"another row of the key is online"}
    assert all(str(one.online_event) < str(one.offline_event) for one in found)


def test_stale_row_with_the_same_values(built, client):
    """Values alone would not tell; the time of the row does."""
    row = living(built)
    time = Timestamp(seconds=int(row["event_timestamp"].timestamp()) - 9).SerializeToString()
    client.hset(address(row["person_id"]), timestamp_field(WORKLOAD.name), time)
    found = wrong(built)
    assert {(one.feature, one.because) for one in found} == {
        ("(row)", "another row of the key is online")
    }


def test_missing_key(built, client):
    row = living(built)
    client.unlink(address(row["person_id"]))
    found = wrong(built)
    assert {(one.key, one.because) for one in found} == {
        ((row["person_id"],), "the key is missing online")
    }
    assert {one.online_value for one in found} == {"None"}
    assert {one.online_event for one in found} == {None}


def test_extra_key(built):
    table = latest(built, TEAM_LOAD).slice(0, 1)
    place = table.column_names.index("team_id")
    extra = table.set_column(place, table.field(place), [["team nobody knows"]])
    OnlineWriter(TEAM_LOAD, Valkey(built.valkey)).write(extra)
    found = wrong(built)
    assert {(one.view, one.key, one.because) for one in found} == {
        ("team_load", ("team nobody knows",), "the key is online only")
    }


def test_row_past_its_time_to_live(built, monkeypatch):
    """A reader that forgets the time-to-live, as Feast's own does."""
    monkeypatch.setattr(online_view, "_DAY_US", 10**12)
    found = wrong(built)
    assert {one.because for one in found} == {"offline the row has expired"}
    assert {one.key for one in found} == {("expired",)}
    assert {one.offline_value for one in found} <= {"None", "an expired row"}


def test_lake_that_changed_since(built):
    """Rows that became known before the watermark, and came after materialising."""
    folder = Path(built.lake) / "features" / "team_load"
    for part in folder.glob("*/part.parquet"):
        part.unlink()
    found = wrong(built)
    assert {one.key[0] for one in found} == set(TEAMS)
    assert {one.because for one in found} == {"the key is online only"}


def test_certificate_that_was_changed(built):
    certify(built, WATERMARK.isoformat(), 20)
    path = Path(certificate_path(built.lake, WATERMARK))
    content = json.loads(path.read_text())
    content["views"][0]["mismatch_count"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(ParityError, match="not as it was written"):
        read_certificate(built.lake, WATERMARK)
    path.write_text("{}")
    with pytest.raises(ParityError, match="no parity certificate"):
        read_certificate(built.lake, WATERMARK)
    path.unlink()
    with pytest.raises(ParityError, match="run `workcast parity`"):
        read_certificate(built.lake, WATERMARK)


def test_nothing_built_and_nobody_there(settings):
    with pytest.raises(ParityError, match="No features are built yet"):
        certify_now(settings)
    gone = settings.model_copy(update={"valkey_url": None, "valkey_port": 1})
    with pytest.raises(FeatureStoreError, match="WORKCAST_VALKEY_URL"):
        make_certificate(gone, WATERMARK)


def test_training_needs_a_certificate_without_mismatches(built, client):
    with pytest.raises(ParityError, match="run `workcast parity`"):
        train_challenger(built, "remaining_time", None)
    client.unlink(address(PEOPLE[0]))
    make_certificate(built, WATERMARK)
    with pytest.raises(ParityError, match=f"{PEOPLE[0]}.*missing online"):
        train_challenger(built, "remaining_time", None)


def test_command(built, client, monkeypatch):
    monkeypatch.setattr(settings_module, "get_settings", lambda: built)
    result = CliRunner().invoke(app, ["parity", "--sample", "30"], catch_exceptions=False)
    assert result.exit_code == 0
    assert read_certificate(built.lake, WATERMARK).sha256 in result.output.replace("\n", "")
    client.hdel(address(PEOPLE[0]), row_field(WORKLOAD.name), timestamp_field(WORKLOAD.name))
    result = CliRunner().invoke(app, ["parity"])
    assert isinstance(result.exception, ParityError)
    assert result.exit_code == 1
    assert PEOPLE[0] in str(result.exception)


def test_an_empty_valkey_is_filled_by_a_command(built, client, monkeypatch):
    monkeypatch.setattr(settings_module, "get_settings", lambda: built)
    client.flushall()
    wrong(built, {SERVED})
    result = CliRunner().invoke(app, ["materialise"], catch_exceptions=False)
    assert result.exit_code == 0
    key_count = sum(latest(built, spec).num_rows for spec in VIEWS.values())
    assert f"{key_count:,} rows written online; 0 stale keys removed." in result.output
    assert certify_now(built, 60).mismatch_count == 0


def test_before_the_first_build_there_is_nothing_to_fill_from(settings, database):
    with pytest.raises(FeatureStoreError, match="No features are built yet"):
        fill_online(settings)
