"""When the copy in the lake is asked, and how long it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.contracts import PresentTable
from pipelines.errors import ExtractError
from pipelines.extract.lake import partition_path, writing_whole
from pipelines.extract.present import OPEN_TASKS, PEOPLE
from serving.history import Asked, History
from serving.lake_history import LakeHistory
from serving.problems import HistoryAwayError
from serving.tasks import Task
from tests.serving.conftest import World
from tests.serving.doubles import FixedClock
from tests.serving.made_rows import AS_OF

HOUR = timedelta(hours=1)


def task(task_id: str, **known: Any) -> Task:
    names = ("person_id", "team_id", "started_at", "completed_at", "cancelled_at", "due_at")
    of = {**dict.fromkeys(names), "created_at": AS_OF - HOUR, **known}
    return Task(task_id=task_id, workflow_id="w", activity="check", **of)


class Source:
    """The source database, which may be away."""

    is_away = False

    def tasks(self, task_ids: Sequence[str]) -> Mapping[str, Task]:
        self._refuse()
        return {one: task(one, person_id="of the source") for one in task_ids}

    def events(self, workflow_ids: Sequence[str], as_of: datetime) -> Mapping[str, Any]:
        self._refuse()
        return {}

    def _refuse(self) -> None:
        if self.is_away:
            raise HistoryAwayError("away")


def leave(lake: Path, *task_ids: str, as_of: datetime = AS_OF) -> None:
    """Write what an extract leaves in the lake."""
    rows = [{**vars(task(one)), "required_skill_id": "law"} for one in task_ids]
    for table, schema, of in (
        (PresentTable.OPEN_TASKS, OPEN_TASKS, rows),
        (PresentTable.PEOPLE, PEOPLE, []),
    ):
        told = schema.with_metadata({"as_of": as_of.isoformat()})
        with writing_whole(str(lake), f"present/{table}", told) as writer:
            writer.write(pa.Table.from_pylist(of, told))


@dataclass
class Parts:
    lake: Path
    source: Source = field(default_factory=Source)
    clock: FixedClock = field(default_factory=FixedClock)

    def __post_init__(self) -> None:
        clock: Any = self.clock
        self.copy = LakeHistory(str(self.lake), clock, 100, lambda: self.source.is_away)
        self.history = History(self.source, self.copy)  # type: ignore[arg-type]

    def person_of(self, task_id: str) -> tuple[str | None, str | None]:
        def ask(of: Asked) -> str | None:
            return of.tasks([task_id])[task_id].person_id

        read = self.history.read(ask)
        return read.found, read.degraded_because


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "lake")


def test_the_copy_is_asked_only_while_the_source_is_away(parts: Parts) -> None:
    assert parts.person_of("t") == ("of the source", None)
    leave(parts.lake, "t")
    parts.source.is_away = True
    found, because = parts.person_of("t")
    assert found is None
    assert because == (
        f"the source database does not answer: its copy in the lake is of {AS_OF.isoformat()}"
    )
    parts.source.is_away = False
    assert parts.person_of("t") == ("of the source", None)


def test_without_either_the_source_is_said_to_be_away(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    parts.source.is_away = True
    for _ in range(3):
        with pytest.raises(HistoryAwayError, match="away"):
            parts.person_of("t")
    assert not parts.history.has_copy
    assert len(caplog.records) == 1
    leave(parts.lake, "t")
    parts.person_of("t")
    assert parts.history.has_copy


def test_the_copy_is_read_anew_when_the_clock_has_moved(parts: Parts) -> None:
    parts.source.is_away = True
    leave(parts.lake, "t")
    parts.person_of("t")
    leave(parts.lake, "t", "later", as_of=AS_OF + HOUR)
    with pytest.raises(KeyError):
        parts.person_of("later")
    parts.clock.as_of = AS_OF + HOUR
    assert str(parts.person_of("later")[1]).endswith((AS_OF + HOUR).isoformat())


def test_the_copy_is_at_hand_before_somebody_asks_and_let_go_of_afterwards(parts: Parts) -> None:
    leave(parts.lake, "t")
    parts.source.is_away = True
    parts.copy.prepare()
    Path(parts.lake, "present", "people.parquet").unlink()
    assert parts.person_of("t")[0] is None

    parts.source.is_away = False
    parts.copy.prepare()
    with pytest.raises(ExtractError):
        parts.copy.copy()
    assert not parts.history.has_copy
    parts.copy.prepare()  # nobody needs one: it is not missed
    assert parts.history.has_copy


def test_a_history_that_cannot_be_read_takes_tasks_from_nobody(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    leave(parts.lake, "t")
    broken = Path(partition_path(str(parts.lake), "history/task_events", AS_OF - 24 * HOUR))
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no Parquet")
    parts.source.is_away = True
    with pytest.raises(HistoryAwayError):
        parts.history.read(lambda of: of.events(["w"], AS_OF))
    parts.copy.prepare()
    parts.copy.prepare()
    assert ["history" in one.getMessage() for one in caplog.records] == [True]
    assert parts.person_of("t")[0] is None
    assert parts.history.has_copy


def test_somebody_elses_file_is_no_copy(parts: Parts) -> None:
    leave(parts.lake, "t")
    parts.source.is_away = True
    for rows in (OPEN_TASKS.empty_table(), PEOPLE.with_metadata({"as_of": "x"}).empty_table()):
        pq.write_table(rows, Path(parts.lake, "present", "open_tasks.parquet"))
        with pytest.raises(HistoryAwayError):
            parts.person_of("t")


def test_preparing_outlives_a_clock_that_is_not_there(parts: Parts) -> None:
    parts.source.is_away, parts.clock.as_of = True, None
    parts.copy.prepare()
    assert parts.history.has_copy  # nobody has looked


def test_readiness_tells_whether_there_is_a_copy(world: World) -> None:
    runtime = world.app.state.runtime

    def said() -> str:
        degraded = world.client.get("/readyz").json()["degraded"]
        return next((one for one in degraded if "tasks and people" in one), "")

    assert said() == ""
    assert world.client.post("/predict_duration", json={"task_id": "t"}).status_code == 503
    assert runtime.source.is_away is False  # no model: nothing was looked up
    with pytest.raises(HistoryAwayError):
        runtime.history.read(lambda of: of.tasks(["t"]))
    assert said() == "tasks and people cannot be looked up: no database, and no copy in the lake"
    leave(Path(world.settings.home).parent / "lake", "t")
    assert runtime.history.read(lambda of: list(of.tasks(["t"]))).found == ["t"]
    assert said() == "tasks and people are looked up in the lake's copy: no database"
