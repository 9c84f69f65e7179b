"""The public logs, read whole; the expected figures are the publishers' own."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from pipelines.history.choose import choose_mapping
from pipelines.history.read import read_log
from pipelines.history.rejections import Reason
from tests.history.conftest import NOW, History, load_history

pytestmark = pytest.mark.shared_logs


def read_shared(path: Path, scratch: Path) -> History:
    return load_history(read_log(path, choose_mapping(path), scratch, NOW))


def test_helpdesk(shared_data: Path, tmp_path: Path) -> None:
    history = read_shared(shared_data / "helpdesk.csv", tmp_path)
    assert history.files.read_count == 21_348
    assert len(history.events) == 21_221
    assert Counter(reason for _, reason in history.reasons) == {Reason.DUPLICATE_EVENT: 127}
    assert len(history.workflows) == 4_580
    assert len(set(history.event_column("activity"))) == 14
    assert len(set(history.event_column("person_id"))) == 22
    assert len(set(history.event_column("team_id"))) == 4
    known = {key for row in history.workflows for key in json.loads(row["attributes"])}
    assert known == {
        "product",
        "responsible_section",
        "seriousness_2",
        "service_level",
        "service_type",
        "support_section",
    }


def test_bpi2012(shared_data: Path, tmp_path: Path) -> None:
    history = read_shared(shared_data / "bpi2012.xes.gz", tmp_path)
    assert history.files.read_count == len(history.events) == 262_200
    assert len(history.workflows) == 13_087
    assert len(set(history.event_column("activity"))) == 24
    assert len(set(history.event_column("person_id")) - {None}) == 68
    assert Counter(history.event_column("transition")) == {
        "completed": 164_506,
        "started": 71_376,
        "created": 26_318,
    }
    durations = [task for task in history.tasks if task["started_at"] and task["completed_at"]]
    assert 71_000 < len(durations) <= 71_376
    assert all(task["started_at"] <= task["completed_at"] for task in durations)
    assert all(
        type(json.loads(row["attributes"])["AMOUNT_REQ"]) is int for row in history.workflows
    )
    is_open = [row["closed_at"] is None for row in history.workflows]
    assert 399 <= sum(is_open) <= 1_200


def test_uci_incident(shared_data: Path, tmp_path: Path) -> None:
    history = read_shared(shared_data / "uci_incident.csv.gz", tmp_path)
    assert history.files.read_count == len(history.events) == 141_712
    assert len(history.workflows) == 24_918
    assert len(set(history.event_column("activity"))) == 9
    assert len(set(history.event_column("person_id")) - {None}) == 234
    assert len(set(history.event_column("team_id")) - {None}) == 78
    late = [row["outcome_is_late"] for row in history.workflows]
    assert round(sum(late) / len(late), 3) == 0.366
    text = history.workflows[0]["attributes"] + history.events[0]["attributes"]
    future = ("closed_code", "resolved_by", "resolved_at", "closed_at", "made_sla")
    assert not any(name in text for name in future)


@pytest.mark.parametrize("log", ["Helpdesk", "SEPSIS", "env_permit", "BPI_Challenge_2012_A"])
def test_other_public_logs_need_no_mapping(shared_data: Path, tmp_path: Path, log: str) -> None:
    path = shared_data / "remaining_time" / f"test_{log}.xes.gz"
    history = read_shared(path, tmp_path)
    content = gzip.decompress(path.read_bytes())
    assert history.files.read_count == content.count(b"<event>")
    assert history.files.read_count == len(history.events) + len(history.rejected)
    assert len(history.workflows) == content.count(b"<trace>")
    assert {reason for _, reason in history.reasons} <= {Reason.DUPLICATE_EVENT}


@pytest.mark.parametrize("share", [0.15, 0.7])
def test_a_real_log_cut_anywhere_keeps_what_came_before(
    shared_data: Path, tmp_path: Path, share: float
) -> None:
    whole = (shared_data / "remaining_time" / "test_SEPSIS.xes.gz").read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: int(len(whole) * share)])
    history = read_shared(cut, tmp_path / "scratch")
    assert 0 < len(history.events) < 2_935
    assert history.reasons[-1][1] == Reason.TRUNCATED_GZIP
