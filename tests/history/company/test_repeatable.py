import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.errors import SimulationError
from pipelines.history.company import Change, ChangeKind, simulate_company, write_event_log

SCRIPT = """
import sys
from pathlib import Path
from pipelines.history.company import simulate_company, write_event_log
folder = Path(sys.argv[1])
files = simulate_company(folder, task_count=600, seed=int(sys.argv[2]))
write_event_log(files, folder / "log.csv.gz")
"""


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    for name, hash_seed in (("one", "1"), ("two", "2")):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, tmp_path / name, "11"],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
    first = digests(tmp_path / "one")
    assert len(first) == 14
    assert first == digests(tmp_path / "two")


def test_another_seed_gives_another_history(tmp_path: Path) -> None:
    for seed in (11, 12):
        folder = tmp_path / str(seed)
        write_event_log(simulate_company(folder, task_count=300, seed=seed), folder / "log.csv")
    first, second = digests(tmp_path / "11"), digests(tmp_path / "12")
    # Teams, skills and templates are the catalogue's; nothing is ever refused.
    names = ("rejected_rows", "skills", "teams", "template_tasks", "templates")
    always = {f"{name}.parquet" for name in names}
    assert {name for name in first if first[name] == second[name]} == always


def test_progress_reaches_the_last_task(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate_company(
        tmp_path, task_count=300, seed=1, progress=lambda done, total: told.append((done, total))
    )
    assert told[0] == (3, 300)
    assert told[-1] == (300, 300)


def test_the_start_can_be_any_moment(tmp_path: Path) -> None:
    start = datetime(2023, 6, 7, 10, 30, tzinfo=UTC)
    files = simulate_company(tmp_path, task_count=100, seed=1, start=start)
    opened = pq.read_table(files.workflows)["opened_at"].to_pylist()
    assert start <= min(opened) < datetime(2023, 6, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task_count": 0}, "task_count from 1"),
        ({"seed": -1}, "seed from 0"),
        ({"start": datetime(2024, 1, 1)}, "no zone"),  # noqa: DTZ001
        ({"change": datetime(2023, 1, 1, tzinfo=UTC)}, "before the start"),
        ({"change": datetime(2030, 1, 1, tzinfo=UTC)}, "never happens"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    if "change" in arguments:
        arguments = {"change": Change(ChangeKind.PERSON_LEAVES, arguments["change"])}
    with pytest.raises(SimulationError, match=message):
        simulate_company(tmp_path, **{"task_count": 50, "seed": 1, **arguments})
