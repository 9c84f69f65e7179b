"""What a container writes is one JSON object a line, whoever wrote it."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from pipelines.platform.programs import Layout
from pipelines.platform.servers import plan_roles
from pipelines.settings import Settings
from tests.integration.serving_stack import free_port, until


@pytest.mark.integration
@pytest.mark.parametrize(("role", "page"), [("mlflow", "/health"), ("evidently", "/api/version")])
def test_every_line_is_an_object_and_requests_are_among_them(
    role: str, page: str, tmp_path: Path
) -> None:
    port = free_port()
    settings = Settings(
        home=tmp_path,
        log_format="json",
        mlflow_port=port,
        evidently_port=port,
        _env_file=None,  # type: ignore[call-arg]
    )
    settings.evidently_dir.mkdir(parents=True)
    program = plan_roles(settings, Layout())[role]
    environment = {**os.environ, **program.environment}
    environment["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{tmp_path}/mlflow.db"
    with (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(
            program.command, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: httpx.get(f"http://127.0.0.1:{port}{page}").is_success, 120)
    finally:
        process.terminate()
        process.wait(30)
    lines = (tmp_path / "out").read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert any(page in record["message"] and record["time"] for record in records), lines
    # Before their server takes its configuration, programs may still say a word of their own.
    assert not [line for line in lines if not line.startswith("{") and "HTTP/1.1" in line]
    assert len(records) > len(lines) / 2, lines
