"""The public logs, read whole; the expected figures are the publishers' own."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.history.choose import choose_mapping
from pipelines.history.read import read_log
from pipelines.history.rejections import Reason
from pipelines.history.schema import HistoryFiles
from tests.history.conftest import NOW

pytestmark = pytest.mark.shared_logs


def read_shared(path: Path, scratch: Path) -> HistoryFiles:
    return read_log(path, choose_mapping(path), scratch, NOW)


def distinct_count(table: pa.Table, column: str) -> int:
    return pc.count_distinct(table[column]).as_py()


def reasons(files: HistoryFiles) -> Counter[str]:
    return Counter(pq.read_table(files.rejected_rows)["reason"].to_pylist())


def attribute_names(table: pa.Table) -> set[str]:
    texts = table["attributes"].unique().to_pylist()
    return {name for text in texts for name in json.loads(text)}


def test_helpdesk(shared_data: Path, tmp_path: Path) -> None:
    files = read_shared(shared_data / "helpdesk.csv", tmp_path)
    events, workflows = pq.read_table(files.task_events), pq.read_table(files.workflows)
    assert (files.read_count, len(events), len(workflows)) == (21_348, 21_221, 4_580)
    assert reasons(files) == {Reason.DUPLICATE_EVENT: 127}
    assert [distinct_count(events, name) for name in ("activity", "person_id", "team_id")] == [
        *(14, 22, 4)
    ]
    assert attribute_names(workflows) == {
        "product",
        "responsible_section",
        "seriousness_2",
        "service_level",
        "service_type",
        "support_section",
    }


def test_bpi2012(shared_data: Path, tmp_path: Path) -> None:
    files = read_shared(shared_data / "bpi2012.xes.gz", tmp_path)
    events, workflows = pq.read_table(files.task_events), pq.read_table(files.workflows)
    assert files.read_count == len(events) == distinct_count(events, "event_id") == 262_200
    assert len(workflows) == 13_087
    assert distinct_count(events, "activity") == 24
    assert distinct_count(events, "person_id") == 68
    assert Counter(events["transition"].to_pylist()) == {
        "completed": 164_506,
        "started": 71_376,
        "created": 26_318,
    }
    tasks = pq.read_table(files.tasks)
    durations = pc.subtract(tasks["completed_at"], tasks["started_at"]).drop_null()
    assert 71_000 < len(durations) <= 71_376
    assert pc.min(durations.cast(pa.int64())).as_py() >= 0
    amounts = [json.loads(text) for text in workflows["attributes"].to_pylist()]
    assert all(type(amount["AMOUNT_REQ"]) is int for amount in amounts)
    assert 399 <= workflows["closed_at"].null_count <= 1_200


def test_uci_incident(shared_data: Path, tmp_path: Path) -> None:
    files = read_shared(shared_data / "uci_incident.csv.gz", tmp_path)
    events, workflows = pq.read_table(files.task_events), pq.read_table(files.workflows)
    assert files.read_count == len(events) == distinct_count(events, "event_id") == 141_712
    assert len(workflows) == 24_918
    assert [distinct_count(events, name) for name in ("activity", "person_id", "team_id")] == [
        *(9, 234, 78)
    ]
    assert round(pc.mean(workflows["outcome_is_late"]).as_py(), 3) == 0.366
    known = attribute_names(workflows) | attribute_names(events)
    future = {"closed_code", "resolved_by", "resolved_at", "closed_at", "made_sla"}
    assert "category" in known
    assert not known & future


@pytest.mark.parametrize("log", ["Helpdesk", "SEPSIS", "env_permit", "BPI_Challenge_2012_A"])
def test_other_public_logs_need_no_mapping(shared_data: Path, tmp_path: Path, log: str) -> None:
    path = shared_data / "remaining_time" / f"test_{log}.xes.gz"
    files = read_shared(path, tmp_path)
    content = gzip.decompress(path.read_bytes())
    event_count = pq.read_metadata(files.task_events).num_rows
    assert files.read_count == content.count(b"<event>") == event_count + files.rejected_count
    assert pq.read_metadata(files.workflows).num_rows == content.count(b"<trace>")
    assert set(reasons(files)) <= {Reason.DUPLICATE_EVENT}


@pytest.mark.parametrize("share", [0.15, 0.7])
def test_a_real_log_cut_anywhere_keeps_what_came_before(
    shared_data: Path, tmp_path: Path, share: float
) -> None:
    whole = (shared_data / "remaining_time" / "test_SEPSIS.xes.gz").read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: int(len(whole) * share)])
    files = read_shared(cut, tmp_path / "scratch")
    assert 0 < pq.read_metadata(files.task_events).num_rows < 2_935
    assert reasons(files)[Reason.TRUNCATED_GZIP] == 1
