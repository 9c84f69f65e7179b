"""Servers that URL settings name take the place of the embedded ones."""

from pathlib import Path

import httpx
import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import create_engine, inspect

from pipelines.errors import PlatformError
from pipelines.platform.processes import find_processes
from pipelines.platform.supervise import down, up
from pipelines.settings import Settings
from tests.integration.tiny_platform import tiny_layout

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_external_servers_replace_the_embedded_ones(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"lake_url": f"file://{tmp_path}/lake"})
    layout = tiny_layout(tmp_path)
    try:
        report = up(settings, layout=layout)

        states = {each.name: (each.state, each.is_healthy) for each in report.programs}
        assert states.pop("postgres") == states.pop("valkey") == ("external", True)
        assert set(states.values()) == {("RUNNING", True)}
        running = {each.program for each in find_processes(settings.home)}
        assert not running & {"postgres", "valkey"}
        for url, table in (
            (settings.airflow_database, "dag_run"),
            (settings.mlflow_database, "registered_models"),
        ):
            engine = create_engine(url)
            assert inspect(engine).has_table(table), url.database
            engine.dispose()
        told = httpx.post(f"{settings.service}/database", json={}).text.strip('"')
        assert told == settings.database.render_as_string(hide_password=False)
    finally:
        down(settings)
    assert find_processes(settings.home) == []
    assert redis.Redis.from_url(settings.valkey).ping()  # not ours to stop


def test_an_external_server_that_is_away_is_named(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"valkey_url": SecretStr("redis://:hidden@127.0.0.1:1/0")})
    with pytest.raises(
        PlatformError, match=r"valkey at redis://127\.0\.0\.1:1.*VALKEY_URL"
    ) as told:
        up(away, layout=tiny_layout(tmp_path))
    assert "hidden" not in str(told.value)
    assert find_processes(away.home) == []
