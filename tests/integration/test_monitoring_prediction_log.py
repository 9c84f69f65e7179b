import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, select, text

from pipelines.monitoring.prediction import LoggedPrediction
from pipelines.monitoring.prediction_log import PredictionLog
from pipelines.monitoring.table_writer import TableWriter
from pipelines.source.platform_tables import predictions as table

pytestmark = pytest.mark.integration

START = datetime(2016, 3, 1, 12, tzinfo=UTC)
MakeLog = Callable[..., PredictionLog]


def prediction(number: int = 0, **changes: Any) -> LoggedPrediction:
    base = LoggedPrediction(
        prediction_id=uuid4(),
        model_name="remaining_time",
        model_version="3",
        model_alias="champion",
        workflow_id=f"W{number}",
        as_of=START,
        features_known_at=START - timedelta(hours=1),
        requested_at=START + timedelta(seconds=number),
        latency_ms=1.5,
        inputs={"workflow_id": f"W{number}"},
        features={"event_count": number},
        output={"remaining_time_s": 10.0},
    )
    return replace(base, **changes)


@pytest.fixture
def make_log(database: Engine, tmp_path: Path) -> Iterator[MakeLog]:
    logs: list[PredictionLog] = []

    def _make(**changes: Any) -> PredictionLog:
        options = {"flush_seconds": 0.02, "retry_seconds": 0.05} | changes
        logs.append(PredictionLog(database.url, tmp_path / "spill", **options))
        return logs[-1]

    yield _make
    for log in logs:
        log.close()


def stored(database: Engine) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(select(table).order_by(table.c.requested_at)))


def ids(database: Engine) -> set[UUID]:
    return {UUID(str(row.prediction_id)) for row in stored(database)}


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def fails_once(monkeypatch: pytest.MonkeyPatch, writer: TableWriter[LoggedPrediction]) -> None:
    write, errors = writer.write, iter([RuntimeError("of a kind that nobody expects")])

    def _write(entries: Sequence[LoggedPrediction], lines: Sequence[str]) -> Any:
        for error in errors:
            raise error
        return write(entries, lines)

    monkeypatch.setattr(writer, "write", _write)


def rename_table(database: Engine, name: str, to: str) -> None:
    with database.begin() as connection:
        connection.execute(text(f"ALTER TABLE workcast.{name} RENAME TO {to}"))


def test_every_column_arrives(database: Engine, make_log: MakeLog) -> None:
    asked = prediction(7, is_degraded=True, variant="shadow", task_id="T1")

    log = make_log().start()
    log.add([asked])
    log.close()

    (row,) = stored(database)
    assert row._mapping["as_of"] == asked.as_of
    assert {**row._mapping, "prediction_id": asked.prediction_id} == asked.row()


def test_values_no_json_has_become_null_or_plain(database: Engine, make_log: MakeLog) -> None:
    features = {
        "nan": np.nan,
        "inf": -np.inf,
        "nat": pd.NaT,
        "na": pd.NA,
        "np": np.float32(0.5),
        "flag": np.bool_(True),  # noqa: FBT003
        "at": pd.Timestamp(START),
        "nul": "a\x00b",
        "half": "\ud800",
        "list": (1, np.int64(2)),
    }
    log = make_log().start()
    log.add([prediction(features=features)])
    log.close()

    assert stored(database)[0].features == {
        "nan": None,
        "inf": None,
        "nat": None,
        "na": None,
        "np": 0.5,
        "flag": True,
        "at": "2016-03-01T12:00:00Z",
        "nul": "a\N{REPLACEMENT CHARACTER}b",
        "half": "?",
        "list": [1, 2],
    }


def test_close_leaves_nothing_behind(database: Engine, make_log: MakeLog) -> None:
    log = make_log(flush_seconds=60, batch_rows=7).start()
    asked = [prediction(i) for i in range(100)]
    for one in asked:
        log.add([one])
    log.close()

    assert ids(database) == {p.prediction_id for p in asked}
    assert log.counts.written_count == 100
    assert log._writer._connection is not None
    assert log._writer._connection.closed


def test_database_away_and_back(database: Engine, make_log: MakeLog, tmp_path: Path) -> None:
    rename_table(database, "predictions", "elsewhere")
    log = make_log().start()
    before = [prediction(i) for i in range(5)]
    log.add(before)
    until(lambda: log.counts.spilled_count == 5)
    assert log.counts.is_database_away
    log.close()
    left = prediction(9)
    log.add([left])  # the thread is gone
    log.close()
    assert len(list((tmp_path / "spill").glob("*.jsonl"))) == 2

    again = make_log().start()  # a new process
    rename_table(database, "elsewhere", "predictions")
    until(lambda: again.counts.waiting_file_count == 0)

    assert ids(database) == {p.prediction_id for p in [*before, left]}
    until(lambda: not again.counts.is_database_away)


def test_comes_back_by_itself(database: Engine, make_log: MakeLog) -> None:
    rename_table(database, "predictions", "elsewhere")
    log = make_log().start()
    log.add([prediction(1, features={"nan": np.nan})])
    until(lambda: log.counts.waiting_file_count == 1)
    rename_table(database, "elsewhere", "predictions")
    log.add([prediction(2)])
    until(lambda: log.counts.written_count == 2)

    assert [row.workflow_id for row in stored(database)] == ["W1", "W2"]
    assert stored(database)[0].features == {"nan": None}


def test_what_hangs_in_the_database_is_not_lost_at_the_end(
    database: Engine, make_log: MakeLog, tmp_path: Path
) -> None:
    log = make_log().start()
    in_hand, queued = prediction(1), prediction(2)
    with database.connect() as connection, connection.begin():
        connection.execute(text("LOCK workcast.predictions"))
        log.add([in_hand])
        until(lambda: log.counts.queued_count == 0)
        log.add([queued])
        log.close(timeout_seconds=0.2)
        paths = (tmp_path / "spill").glob("*.jsonl")  # two, if the thread has given up meanwhile
        kept = {one.prediction_id for path in paths for one in log._spill.read(path)}
        assert kept == {in_hand.prediction_id, queued.prediction_id}

    again = make_log().start()  # a new process
    until(lambda: again.counts.waiting_file_count == 0)
    assert ids(database) == {in_hand.prediction_id, queued.prediction_id}


def test_same_prediction_twice_is_one_row(database: Engine, make_log: MakeLog) -> None:
    asked = prediction()
    log = make_log().start()
    log.add([asked])
    log.add([asked])
    log.close()

    assert ids(database) == {asked.prediction_id}
    assert log.counts.refused_count == 0


def test_full_queue_goes_to_disk(database: Engine, make_log: MakeLog) -> None:
    log = make_log(max_queued=3)
    asked = [prediction(i) for i in range(5)]
    for one in asked:
        log.add([one])
    assert (log.counts.queued_count, log.counts.spilled_count) == (3, 2)

    log.start()
    until(lambda: ids(database) == {p.prediction_id for p in asked})
    assert log.counts.lost_count == 0


def test_refused_row_does_not_hold_the_others(
    database: Engine, make_log: MakeLog, tmp_path: Path
) -> None:
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE workcast.predictions ADD CHECK (workflow_id <> 'W3')"))
    asked = [prediction(i) for i in range(6)]
    log = make_log().start()
    log.add(asked)
    log.close()

    assert [row.workflow_id for row in stored(database)] == ["W0", "W1", "W2", "W4", "W5"]
    assert (log.counts.written_count, log.counts.refused_count) == (5, 1)
    assert [p.name for p in (tmp_path / "spill").iterdir()] == [f"{asked[3].prediction_id}.refused"]


def test_file_that_is_no_batch_is_set_aside(
    database: Engine, make_log: MakeLog, tmp_path: Path
) -> None:
    log = make_log()
    (tmp_path / "spill" / "20160101T000000-x.jsonl").write_text("{torn")
    log.start()
    log.add([prediction()])
    until(lambda: (log.counts.written_count, log.counts.waiting_file_count) == (1, 0))
    log.close()

    assert [p.name for p in (tmp_path / "spill").iterdir()] == ["20160101T000000-x.unreadable"]


def test_what_comes_while_a_batch_is_written_waits_for_the_next(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(batch_rows=2)
    insert, sizes = log._insert, []

    def insert_slowly(writer: Any, batch: Sequence[LoggedPrediction], lines: Any) -> bool:
        sizes.append(len(batch))
        assert len(sizes) < 10, "it never rests"
        log.add([prediction(10 + len(sizes))])  # asked meanwhile
        return insert(writer, batch, lines)

    monkeypatch.setattr(log, "_insert", insert_slowly)
    log.add([prediction(number) for number in range(3)])
    log._empty()
    assert sizes == [2, 2, 1]  # whole batches at once, and then a last one
    monkeypatch.setattr(log, "_insert", insert)
    log.start()
    until(lambda: len(stored(database)) == 6)


def test_an_error_that_nobody_expects_loses_nothing(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log()
    for writer in (log._writer, log._replay_writer):
        fails_once(monkeypatch, writer)
    log.add([prediction(1)])
    log.start()
    until(lambda: log.counts.written_count == 1)  # after both
    log.add([prediction(2)])
    until(lambda: log.counts.written_count == 2)

    assert [row.workflow_id for row in stored(database)] == ["W1", "W2"]
    assert (log.counts.spilled_count, log.counts.waiting_file_count) == (1, 0)


def test_an_error_with_a_full_disk_leaves_the_batch_in_the_queue(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log()
    asked = [prediction(number) for number in range(3)]
    with monkeypatch.context() as broken:
        broken.setattr(log._writer, "write", lambda *_: {}["of the writing"])
        broken.setattr(log._spill, "put", lambda _: {}["of the disk"])
        log.add(asked)
        log._empty()
        assert log.counts.queued_count == 3
    log.start()
    until(lambda: log.counts.written_count == 3)
    assert ids(database) == {one.prediction_id for one in asked}


def test_a_file_that_meets_an_error_does_not_hold_the_others(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log()
    first, second = prediction(1), prediction(2)
    for one in (first, second):
        log._spill.put([one])
    write = log._replay_writer.write

    def _write(entries: Sequence[LoggedPrediction], lines: Sequence[str]) -> Any:
        if entries[0].prediction_id == first.prediction_id:
            raise RuntimeError("not this one")
        return write(entries, lines)

    monkeypatch.setattr(log._replay_writer, "write", _write)
    log.start()
    until(lambda: ids(database) == {second.prediction_id})
    log.close()
    assert log.counts.waiting_file_count == 1


def test_nobody_with_new_entries_waits_for_a_database_that_is_known_to_be_away(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename_table(database, "predictions", "elsewhere")
    log = make_log()
    asked: list[int] = []
    write = log._writer.write
    monkeypatch.setattr(
        log._writer,
        "write",
        lambda entries, lines: [asked.append(len(entries)), write(entries, lines)][1],
    )
    for number in range(3):
        log.add([prediction(number)])
        log._empty()
    assert (asked, log.counts.waiting_file_count) == ([1], 3)


def test_a_large_file_is_replayed_in_batches(
    database: Engine, make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(batch_rows=2)
    log._spill.put([prediction(number) for number in range(5)])
    write, sizes = log._replay_writer.write, []
    monkeypatch.setattr(
        log._replay_writer,
        "write",
        lambda entries, lines: [sizes.append(len(entries)), write(entries, lines)][1],
    )
    log._replay()
    assert sizes == [2, 2, 1]
    assert len(stored(database)) == 5
    assert log.counts.waiting_file_count == 0


def test_a_database_that_was_away_is_found_where_no_file_tells(
    database: Engine, make_log: MakeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename_table(database, "predictions", "elsewhere")
    log = make_log()
    monkeypatch.setattr(log._spill, "put", lambda _: (tmp_path / "no folder" / "x").touch())
    log.add([prediction(1)])
    log._empty()
    log._replay()
    assert log.is_away
    rename_table(database, "elsewhere", "predictions")
    log._replay()
    assert not log.is_away
    log._empty()
    assert len(stored(database)) == 1
