"""The program of an interval is kept, used again, and compiled anew wherever it may not do."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.features import program
from pipelines.features.compile import compile_program
from pipelines.features.facts import CARRIED_FOLDER, KEPT_FACTS
from pipelines.features.program import (
    PROGRAM,
    Names,
    Program,
    made_by,
    named_in,
    read_program,
)
from pipelines.features.update import update_features
from tests.features.lakes import files, write_history
from tests.features.tables import arrow_tables, at, event, workflow

EVENTS = [event("w", "AB"[day % 2], at(day, 9), person="p", team="t") for day in range(30)]
RARE = [event("v", "Rare", at(22, 10), task="x", attributes='{"k": 1}')]
TABLES = arrow_tables([*EVENTS, *RARE], [workflow("w", at(0)), workflow("v", at(22))])


@pytest.fixture(scope="module")
def built_lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built from scratch up to day 20, then by the interval of day 20."""
    lake = str(tmp_path_factory.mktemp("built"))
    for day in (20, 21):
        _update(lake, at(day))
    return lake


@pytest.fixture
def lake(built_lake: str, tmp_path: Path) -> str:
    return str(shutil.copytree(built_lake, tmp_path / "lake"))


def _update(lake: str, until: datetime) -> None:
    update_features(write_history(lake, TABLES, until), until, "month")


def _kept(lake: str) -> Program:
    kept = read_program(lake)
    assert kept is not None
    return kept


def test_next_day_runs_the_kept_program(lake: str) -> None:
    before = _kept(lake)
    _update(lake, at(22))
    assert _kept(lake) == before


def test_new_names_are_added_and_stay(lake: str) -> None:
    assert _kept(lake).names == Names((), ("A", "B"))
    _update(lake, at(23))
    assert _kept(lake).names == Names(("k",), ("A", "B", "Rare"))
    before = _kept(lake)
    _update(lake, at(26))
    assert _kept(lake) == before


def test_program_is_a_function_of_names_and_unit() -> None:
    names = Names(("k",), ("A", "B"))
    first = compile_program(names, "month")
    assert compile_program(names, "month") == first
    assert first.covers(names, "month")
    assert first.covers(Names((), ("B",)), "month")
    assert not first.covers(names, "day")
    assert not first.covers(Names(("k", "l"), ("A",)), "month")
    assert first.only_makes_tables()


def test_statements_read_what_stands_before_them() -> None:
    compiled = compile_program(Names(("k",), ("A", "B")), "month")
    statements = [*compiled.reading.statements, *compiled.statements]
    makes = [made_by(statement) for statement in statements]
    assert len(set(makes)) == len(makes)
    for number, statement in enumerate(statements):
        assert named_in(statement).isdisjoint(makes[number:]), makes[number]
    # What computes what an interval adds to a table reads what was read for it.
    by_name = dict(zip(makes, statements, strict=True))
    assert "part_task_events" in named_in(by_name["after_unsettled_events"])
    assert named_in(by_name["part_task_events"]) >= {"before_unsettled_events", "reopened"}
    for query in compiled.rows.values():
        assert not named_in(query).isdisjoint(makes)


def _damage(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"LEAST", b"MOST!", 1))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("harm", [_damage, _cut, Path.unlink])
def test_harmed_program_is_compiled_anew(lake: str, harm: object) -> None:
    before = _kept(lake)
    harm(Path(lake, PROGRAM))  # type: ignore[operator]
    assert read_program(lake) is None
    _update(lake, at(22))
    assert _kept(lake) == before


def test_program_of_other_code_is_not_run(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "definition", lambda: "another")
    assert read_program(lake) is None


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("statements", "INSTALL httpfs"),
        ("reading", "INSTALL httpfs"),
        ("statements", 'CREATE TABLE "x" AS SELECT 1; INSTALL httpfs'),
        ("rows", "COPY (SELECT 1) TO '/tmp/x'"),
    ],
)
def test_statements_that_do_more_are_not_run(lake: str, part: str, text: str) -> None:
    path = Path(lake, PROGRAM)
    content = json.loads(path.read_bytes().split(b"\n", 1)[1])
    if part == "rows":
        content["rows"]["team_load"] = text
    else:
        (content if part == "statements" else content["reading"])["statements"].append(text)
    changed = json.dumps(content).encode()
    path.write_bytes(program._digest(changed) + b"\n" + changed)
    assert read_program(lake) is None


def test_what_was_handed_on_is_looked_for_where_it_is_not_kept(lake: str, tmp_path: Path) -> None:
    other = str(shutil.copytree(lake, tmp_path / "other"))
    _update(lake, at(22))
    _update(other, at(22))
    shutil.rmtree(Path(other, CARRIED_FOLDER))
    for one in (lake, other):
        _update(one, at(24))
    for folder in ("features", *(dataset.folder for dataset in KEPT_FACTS)):
        assert files(lake, folder) == files(other, folder)
