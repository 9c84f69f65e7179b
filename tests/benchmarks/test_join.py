"""The benchmark of joins, run tiny: shape of the figures, and equal values of all contenders."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.bench import join
from pipelines.bench.join_data import JoinSizes
from pipelines.bench.measure import Measurement
from pipelines.cli import app
from pipelines.errors import BenchmarkError


def in_this_process(contenders, rounds, progress=None):
    """Spare the tiny benchmark a process, and with it the import of Feast, for each run."""
    begun = time.perf_counter()
    results = [one.keep(one.prepare()()) for one in contenders]
    seconds = (time.perf_counter() - begun,) * rounds
    return [
        Measurement(one.name, seconds, 1.0, result)
        for one, result in zip(contenders, results, strict=True)
    ]


def test_command_writes_its_figures(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(join, "side_by_side", in_this_process)
    out = tmp_path / "join.json"
    command = "bench join --entity-rows 200 --feature-rows 1000 --entities 7 --views 2 --rounds 1"
    result = CliRunner().invoke(
        app, [*command.split(), "--with-stock", "--json", str(out)], catch_exceptions=False
    )
    assert result.exit_code == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["sizes"]["entity_rows"] == 200
    digests: dict[str, set[str]] = {}
    for one in figures["contenders"]:
        assert len(one["seconds"]) == 1
        digests.setdefault(one["kind"], set()).add(one["digest"])
    assert [len(found) for found in digests.values()] == [1, 1]
    assert digests[join.BY_EVENT] != digests[join.AS_KNOWN]
    assert {one["times_raw_asof"] for one in figures["contenders"]} == {1}
    assert "200 entity rows x 2 views" in result.output


def test_other_values_are_refused() -> None:
    runs = [Measurement("one", (1.0,), 1.0, "a"), Measurement("other", (1.0,), 1.0, "b")]
    with pytest.raises(BenchmarkError, match="one, other"):
        join._require_equal([join.AS_KNOWN] * 2, runs)
    join._require_equal([join.AS_KNOWN, join.BY_EVENT], runs)


def test_hopeless_range_joins_are_left_out() -> None:
    for entity_rows, has_range in ((2_000, True), (100_000, False)):
        sizes = JoinSizes(entity_rows, 10_000_000, 500, 3, 90)
        names = [one.name for _, one in join._contenders(Path("x"), sizes, with_stock=False)]
        assert (join.RAW_RANGE in names) is has_range
