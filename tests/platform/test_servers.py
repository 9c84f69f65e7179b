import os
from pathlib import Path

import pytest

from pipelines.platform.environment import TRACKING_OFF, shared_environment
from pipelines.platform.programs import Layout
from pipelines.platform.servers import (
    AIRFLOW_STEP,
    DATABASES_STEP,
    STOPPED_LAST,
    plan_external,
    plan_programs,
)
from pipelines.settings import Settings

STEPS = {DATABASES_STEP, AIRFLOW_STEP}
EMBEDDED = {
    "postgres",
    "valkey",
    "mlflow",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "evidently",
    "service",
}
DATABASE = "postgresql://ada:s3cret@db.example/work"
VALKEY = "redis://:s3cret@cache.example:6379/3"
MLFLOW = "https://mlflow.example"


def make_settings(home: Path, **fields: object) -> Settings:
    return Settings(home=home, _env_file=None, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "left_out", "external"),
    [
        ({}, set(), []),
        (
            {"database_url": DATABASE},
            {"postgres"},
            ["postgresql+psycopg://ada:***@db.example/work"],
        ),
        ({"valkey_url": VALKEY}, {"valkey"}, ["redis://cache.example:6379/3"]),
        ({"mlflow_url": MLFLOW}, {"mlflow"}, [MLFLOW]),
        ({"mlflow_database_url": DATABASE}, set(), []),
        ({"lake_url": "s3://lake"}, set(), []),
    ],
)
def test_a_server_named_by_a_setting_is_not_run(
    tmp_path: Path, fields: dict[str, object], left_out: set[str], external: list[str]
) -> None:
    settings = make_settings(tmp_path, **fields)
    programs = plan_programs(settings, Layout())
    names = {each.name for each in programs}
    assert names == EMBEDDED - left_out
    assert {need for each in programs for need in each.needs} <= names | STEPS
    assert [each.address for each in plan_external(settings)] == external


def test_no_password_stands_on_a_command_line(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, mlflow_database_url=DATABASE, database_url=DATABASE)
    for program in plan_programs(settings, Layout()):
        assert not [word for word in program.command if "s3cret" in word], program.name


def test_every_server_listens_on_the_bind_host_and_its_own_port(tmp_path: Path) -> None:
    programs = plan_programs(make_settings(tmp_path, bind_host="127.0.0.9"), Layout())
    ports = {each.name: each.port for each in programs if each.port is not None}
    assert {name: (port.port, port.setting) for name, port in ports.items()} == {
        "valkey": (6390, "WORKCAST_VALKEY_PORT"),
        "mlflow": (5000, "WORKCAST_MLFLOW_PORT"),
        "airflow-api-server": (8080, "WORKCAST_AIRFLOW_PORT"),
        "evidently": (8085, "WORKCAST_EVIDENTLY_PORT"),
        "service": (3000, "WORKCAST_SERVICE_PORT"),
    }
    for program in programs:
        if program.port is not None and not program.name.startswith("airflow"):
            assert "127.0.0.9" in program.command
            assert str(program.port.port) in program.command
        assert "0.0.0.0" not in program.command  # noqa: S104  # looked for, not bound


def test_stores_outlive_what_writes_to_them(tmp_path: Path) -> None:
    waves = [set(wave) for wave in STOPPED_LAST]
    rank = {name: index + 1 for index, wave in enumerate(waves) for name in wave}
    for program in plan_programs(make_settings(tmp_path), Layout()):
        for need in set(program.needs) - STEPS:
            assert rank.get(program.name, 0) < rank[need], (program.name, need)


@pytest.mark.parametrize(
    "fields",
    [{}, {"database_url": "postgresql://ada:p%40ss%25@db.example/work", "test_ratio": 0.5}],
)
def test_every_program_reads_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    for name in [name for name in os.environ if name.startswith("WORKCAST_")]:
        monkeypatch.delenv(name)
    settings = make_settings(tmp_path, mlflow_port=5_011, **fields)
    for name, value in shared_environment(settings, Layout()).items():
        monkeypatch.setenv(name, value)
    read = Settings(_env_file=None)
    for address in (
        "database",
        "airflow_database",
        "mlflow_database",
        "feast_registry",
        "valkey",
        "mlflow",
        "airflow",
        "service",
        "evidently",
        "lake",
        "home",
        "socket_dir",
        "test_ratio",
        "seed",
    ):
        assert getattr(read, address) == getattr(settings, address), address


def test_every_program_is_told_not_to_report_home(tmp_path: Path) -> None:
    for program in plan_programs(make_settings(tmp_path), Layout()):
        assert TRACKING_OFF.items() <= program.environment.items()
        assert program.environment["PYTHONPATH"] == str(Layout().root)


def test_collections_of_settings_are_read_back_by_every_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(
        tmp_path,
        challenger_ratio={"remaining_time": 0.25},
        shadow_models=["delay_risk", "remaining_time"],
    )
    for name, value in shared_environment(settings, Layout()).items():
        monkeypatch.setenv(name, value)
    again = Settings(_env_file=None)  # type: ignore[call-arg]

    assert again.challenger_ratio == settings.challenger_ratio
    assert again.shadow_models == settings.shadow_models
    models = shared_environment(settings, Layout())["WORKCAST_SHADOW_MODELS"]
    assert models == '["delay_risk","remaining_time"]'


def test_mlflow_may_send_events_on_loopback_only_where_they_are_wanted(tmp_path: Path) -> None:
    def environment(**fields: object) -> dict[str, str]:
        programs = plan_programs(make_settings(tmp_path, **fields), Layout())
        return dict(next(each for each in programs if each.name == "mlflow").environment)

    assert not [name for name in environment() if name.startswith("MLFLOW_WEBHOOK")]
    first, again, other = (
        environment(registry_events_secret=secret)["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"]
        for secret in ("a", "a", "b")
    )
    assert first == again != other
