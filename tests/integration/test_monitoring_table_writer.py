"""What COPY takes, each kind of entry; and what is inserted because it does not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, Table, select, text

from pipelines.monitoring.audit_log import AuditEntry
from pipelines.monitoring.feedback import Feedback, Verdict
from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.monitoring.spill import Spill
from pipelines.monitoring.table_writer import TableAwayError, TableWriter
from pipelines.source import platform_tables

pytestmark = pytest.mark.integration

START = datetime(2016, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PREDICTION = LoggedPrediction(
    prediction_id=uuid4(),
    model_name="assignee",
    model_version="3",
    model_alias=None,
    workflow_id="W1",
    as_of=START,
    features_known_at=None,
    requested_at=START + timedelta(seconds=1),
    latency_ms=1.5e-7,
    inputs={"person_ids": ['a\tb\nc\r"d"\\e', "Zoë", r"\N"], "empty": ""},
    features={},
    output={"score": -1e300},
    is_degraded=True,
    propensity=0.25,
    cached_from=uuid4(),
)
AUDITED = AuditEntry(uuid4(), START, "who", "POST /predict_duration", "", {"status": 200})
SAID = Feedback(uuid4(), uuid4(), Verdict.OVERRIDDEN, {"reason": "busy"}, "", START)

MakeWriter = Callable[[Table, type], TableWriter[Any]]


@pytest.fixture
def make_writer(database: Engine, tmp_path: Path) -> Iterator[MakeWriter]:
    writers: list[TableWriter[Any]] = []

    def _make(table: Table, kind: type) -> TableWriter[Any]:
        columns = Spill[Any](tmp_path, kind).columns
        writers.append(TableWriter(database.url, table, columns))
        return writers[-1]

    yield _make
    for writer in writers:
        writer.close()


@pytest.fixture
def predictions(make_writer: MakeWriter) -> TableWriter[LoggedPrediction]:
    return make_writer(platform_tables.predictions, LoggedPrediction)


def stored(database: Engine, table: Table) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def write(writer: TableWriter[Any], entries: list[Any]) -> list[Any]:
    return writer.write(entries, [writer.line(entry) for entry in entries])


@pytest.mark.parametrize(
    ("table", "entry"),
    [
        pytest.param(platform_tables.predictions, PREDICTION, id="prediction"),
        pytest.param(platform_tables.audit_log, AUDITED, id="audit entry"),
        pytest.param(platform_tables.feedback, SAID, id="feedback"),
    ],
)
def test_copy_and_insert_write_the_same(
    database: Engine, make_writer: MakeWriter, table: Table, entry: Any
) -> None:
    key = next(iter(entry.row()))
    other = replace(entry, **{key: uuid4()})
    writer = make_writer(table, type(entry))

    assert writer._is_copied([writer.line(entry)])
    assert writer._is_inserted([other])

    copied, inserted = (
        {name: row[name] for name in entry.row() if name != key}
        for row in sorted(stored(database, table), key=lambda row: row[key] != getattr(entry, key))
    )
    assert copied == inserted


def test_texts_arrive_as_they_are(
    database: Engine, predictions: TableWriter[LoggedPrediction]
) -> None:
    ids = ["tab\there", "new\nline", "back\\slash", r"\N", "\\.", "", "Zoë 🙂", "a\rb"]
    entries = [replace(PREDICTION, prediction_id=uuid4(), workflow_id=one) for one in ids]

    assert predictions._is_copied([predictions.line(entry) for entry in entries])

    rows = stored(database, platform_tables.predictions)
    assert sorted(row["workflow_id"] for row in rows) == sorted(ids)
    assert all(row["inputs"] == PREDICTION.inputs for row in rows)


@pytest.mark.parametrize("broken", ["a\x00b", "\ud800"])
def test_what_postgresql_has_not_is_replaced_and_holds_nobody(
    database: Engine, predictions: TableWriter[LoggedPrediction], broken: str
) -> None:
    entries = [
        replace(PREDICTION, prediction_id=uuid4(), workflow_id=one) for one in ("W1", broken, "W2")
    ]

    assert write(predictions, entries) == []

    found = {row["workflow_id"] for row in stored(database, platform_tables.predictions)}
    assert {"W1", "W2"} < found
    assert len(found) == 3


def test_written_again_with_others_it_is_one_row(
    database: Engine, predictions: TableWriter[LoggedPrediction], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = replace(PREDICTION, prediction_id=uuid4())
    write(predictions, [PREDICTION])
    insert, sizes = predictions._is_inserted, []
    monkeypatch.setattr(
        predictions,
        "_is_inserted",
        lambda entries: [sizes.append(len(entries)), insert(entries)][1],
    )

    assert write(predictions, [PREDICTION, new]) == []
    assert sizes == [2]  # at once: where two processes replay, most are there already

    found = {row["prediction_id"] for row in stored(database, platform_tables.predictions)}
    assert found == {PREDICTION.prediction_id, new.prediction_id}


def test_refused_ones_are_returned(
    database: Engine, predictions: TableWriter[LoggedPrediction]
) -> None:
    bad = replace(PREDICTION, prediction_id=uuid4(), propensity=2.0)

    assert write(predictions, [bad, PREDICTION]) == [bad]

    assert len(stored(database, platform_tables.predictions)) == 1


def test_connection_that_was_cut_off_is_opened_again(
    database: Engine, predictions: TableWriter[LoggedPrediction]
) -> None:
    write(predictions, [PREDICTION])
    with database.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    new = replace(PREDICTION, prediction_id=uuid4())

    with pytest.raises(TableAwayError) as away:
        write(predictions, [new])
    assert isinstance(away.value.__cause__, psycopg.OperationalError)
    assert write(predictions, [new]) == []

    assert len(stored(database, platform_tables.predictions)) == 2


def test_table_that_is_not_there_is_said(
    database: Engine, predictions: TableWriter[LoggedPrediction]
) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.predictions RENAME TO elsewhere"))

    with pytest.raises(TableAwayError, match=r'"workcast\.predictions" does not exist'):
        write(predictions, [PREDICTION])
