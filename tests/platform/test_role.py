import json
from configparser import ConfigParser
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipelines.errors import PlatformError
from pipelines.platform.credentials import credentials_of
from pipelines.platform.programs import Layout
from pipelines.platform.role import become_role, configure_airflow
from pipelines.platform.servers import plan_roles
from pipelines.settings import Settings

GIVEN = {
    "airflow_password": SecretStr("pass"),
    "airflow_jwt_secret": SecretStr("jwt"),
    "airflow_fernet_key": SecretStr("fernet"),
    "airflow_api_secret_key": SecretStr("api"),
}


def container_settings(home: Path, **fields: object) -> Settings:
    return Settings(
        home=home,
        bind_host="0.0.0.0",  # noqa: S104 - written, not bound
        database_url=SecretStr("postgresql://workcast:s3cret@postgres:5432/workcast"),
        airflow_database_url=SecretStr("postgresql://airflow:s3cret@postgres:5432/airflow"),
        mlflow_database_url=SecretStr("postgresql://mlflow:s3cret@postgres:5432/mlflow"),
        valkey_url=SecretStr("redis://:s3cret@valkey:6379/0"),
        mlflow_url="http://mlflow:5000",
        airflow_url="http://airflow-api-server:8080",
        evidently_url="http://evidently:8085",
        service_url="http://serving:3000",
        _env_file=None,
        **fields,  # type: ignore[arg-type]
    )


def read_configuration(settings: Settings) -> ConfigParser:
    parser = ConfigParser()
    parser.read(settings.home / "airflow" / "airflow.cfg")
    return parser


def test_a_container_may_become_every_server_but_stores_and_service(tmp_path: Path) -> None:
    assert set(plan_roles(container_settings(tmp_path), Layout())) == {
        "mlflow",
        "evidently",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "airflow-worker",
    }


def test_a_role_is_given_no_secret_but_mlflow_the_one_it_has_no_file_for(tmp_path: Path) -> None:
    secret = {}
    for name, role in plan_roles(container_settings(tmp_path), Layout()).items():
        assert not [word for word in role.command if "s3cret" in word], name
        secret[name] = [key for key, value in role.environment.items() if "s3cret" in value]
    assert secret.pop("mlflow") == ["MLFLOW_BACKEND_STORE_URI"]
    assert not any(secret.values())


def test_a_role_listens_where_other_containers_reach_it(tmp_path: Path) -> None:
    command = plan_roles(container_settings(tmp_path), Layout())["mlflow"].command
    assert command[command.index("--host") + 1] == "0.0.0.0"  # noqa: S104 - read, not bound


def test_an_unknown_role_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="no role 'airflow-web'; roles are mlflow, airflow-api"):
        become_role(container_settings(tmp_path), "airflow-web")


def test_airflow_is_configured_from_given_credentials_and_addresses(tmp_path: Path) -> None:
    settings = container_settings(tmp_path, **GIVEN)
    configure_airflow(settings)
    read = read_configuration(settings)
    assert read["core"]["fernet_key"] == "fernet"
    assert read["core"]["executor"] == "LocalExecutor"
    url = "http://airflow-api-server:8080/execution/"
    assert read["core"]["execution_api_server_url"] == url
    assert "base_url" not in read["api"]  # people know it by another name
    assert "celery" not in read
    assert read["metrics"]["statsd_on"] == "False"
    passwords = tmp_path / "airflow" / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": "pass"}


def test_celery_works_through_a_database_of_valkey_of_its_own(tmp_path: Path) -> None:
    settings = container_settings(
        tmp_path,
        airflow_executor="CeleryExecutor",
        airflow_parallelism=7,
        statsd_address="statsd:9125",
        **GIVEN,
    )
    configure_airflow(settings)
    read = read_configuration(settings)
    assert read["celery"]["broker_url"] == "redis://:s3cret@valkey:6379/1"
    assert read["celery"]["result_backend"] == (
        "db+postgresql+psycopg://airflow:s3cret@postgres:5432/airflow"
    )
    assert read["celery"]["worker_concurrency"] == read["core"]["parallelism"] == "7"
    metrics = read["metrics"]
    assert (metrics["statsd_on"], metrics["statsd_host"], metrics["statsd_port"]) == (
        "True",
        "statsd",
        "9125",
    )


def test_half_of_the_credentials_is_refused_by_name(tmp_path: Path) -> None:
    half = {name: GIVEN[name] for name in ("airflow_password", "airflow_fernet_key")}
    with pytest.raises(PlatformError, match="not api_secret_key, jwt_secret"):
        credentials_of(container_settings(tmp_path, **half))
