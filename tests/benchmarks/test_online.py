"""The benchmark of the online store, run tiny: shape of the figures, and equal values inside."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.bench import online, online_calls, online_write
from pipelines.cli import app
from pipelines.errors import BenchmarkError

pytestmark = pytest.mark.integration


def test_command_writes_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "online.json"
    command = ["bench", "online", "--keys", "300", "--candidates", "7", "--rounds", "5"]
    result = CliRunner().invoke(app, [*command, "--json", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads(out.read_text())["figures"]
    ways = {(row["question"], row["way"]) for row in figures["reads"]}
    assert len(ways) == 14
    for row in figures["reads"]:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert (row["ratio"] == 1) == (row["way"] == online_calls.OURS)
    # The whole view, and one reply for each command of the bare bytes.
    results = {row["name"]: row["result"] for row in figures["writes"]}
    assert results == {online_write.OURS: 300, online_write.RAW: 300}
    assert "7 candidates, workload and experience" in result.output


def test_other_values_are_refused() -> None:
    calls = {online_calls.OURS: lambda: {"x": [1]}, online_calls.FEAST: lambda: {"x": [2]}}
    with pytest.raises(BenchmarkError, match="different values of x"):
        online.require_equal("a question", calls)
