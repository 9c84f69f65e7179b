from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import URL, create_engine, inspect

from pipelines.platform.migrate import migrate_all
from pipelines.settings import Settings
from pipelines.source.connect import connect

OWNERS = ("workcast", "airflow", "mlflow", "feast")


@pytest.mark.integration
def test_an_empty_server_has_everything_afterwards_and_again(
    postgres_url: URL, valkey_url: str, tmp_path: Path
) -> None:
    urls = {
        name: postgres_url.set(username=f"m_{name}", password="x", database=f"m_{name}")  # noqa: S106
        for name in OWNERS
    }
    reader = urls["workcast"].set(username="m_reader")
    secret = {
        name: SecretStr(url.render_as_string(hide_password=False)) for name, url in urls.items()
    }
    settings = Settings(
        home=tmp_path,
        admin_database_url=SecretStr(postgres_url.render_as_string(hide_password=False)),
        database_url=secret["workcast"],
        airflow_database_url=secret["airflow"],
        mlflow_database_url=secret["mlflow"],
        feast_registry_url=secret["feast"],
        dashboards_database_url=SecretStr(reader.render_as_string(hide_password=False)),
        valkey_url=SecretStr(valkey_url),
        airflow_password=SecretStr("a"),
        airflow_fernet_key=SecretStr("ZmVybmV0a2V5ZmVybmV0a2V5ZmVybmV0a2V5ZmVybmU="),
        airflow_jwt_secret=SecretStr("b" * 64),
        airflow_api_secret_key=SecretStr("c"),
        _env_file=None,  # type: ignore[call-arg]
    )
    for _ in range(2):
        console = Console(record=True, width=80)
        migrate_all(settings, console)
        assert [line[2:30].rstrip() for line in console.export_text().splitlines()] == [
            "databases",
            "source and platform tables",
            "dashboards",
            "Airflow",
            "MLflow",
            "feature registry",
            "development issuer",
        ]

    tables = {"airflow": "dag_run", "mlflow": "registered_models", "feast": "feature_views"}
    for name, table in tables.items():
        engine = create_engine(urls[name].set(drivername="postgresql+psycopg"))
        assert table in inspect(engine).get_table_names()
        engine.dispose()
    with connect(urls["feast"]) as connection:
        row = connection.execute("SELECT count(*) > 3 FROM feature_views").fetchone()
    assert row == (True,)
    with connect(reader) as connection:
        assert connection.execute("SELECT count(*) FROM dashboards.workflows").fetchone() == (0,)
    assert (settings.issuer_dir / "jwks.json").is_file()
