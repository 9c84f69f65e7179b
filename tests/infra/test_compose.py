"""The compose files as data: contained, closed, and naming nothing that is not there."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from pipelines.platform.programs import Layout
from pipelines.platform.servers import plan_roles
from pipelines.settings import Settings
from tests.conftest import REPOSITORY
from tests.infra.test_make_secrets import HOSTS, load_script

FILES = ("platform", "monitoring")
Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The files merged as docker-compose.yml includes them."""
    including = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    (include,) = including["include"]
    assert include["path"] == [f"infra/compose/{name}.yml" for name in FILES]
    merged: dict[str, Any] = {}
    for path in include["path"]:
        for section, entries in yaml.safe_load((REPOSITORY / path).read_text()).items():
            merged.setdefault(section, {}).update(entries)
    return merged


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = compose["services"]
    assert len(found) > 20
    return found


def test_every_container_is_contained(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["logging"]["options"]["max-size"], name
        assert service["logging"]["options"]["tag"] == "{{.Name}}", name
        assert "privileged" not in service, name
        is_command = name in {"migrate", "workcast"}
        assert service["restart"] == ("no" if is_command else "unless-stopped"), name


def test_only_pages_are_published_and_on_loopback(services: dict[str, Service]) -> None:
    published = {
        name: service["ports"] for name, service in services.items() if service.get("ports")
    }
    assert set(published) == {
        "mlflow",
        "airflow-api-server",
        "evidently",
        "serving",
        "gateway",
        "prometheus",
        "alertmanager",
        "grafana",
        "jaeger",
    }
    for name, ports in published.items():
        for port in ports:
            assert re.fullmatch(r"127\.0\.0\.1:\$\{WORKCAST_[A-Z]+_PORT:-\d+\}:\d+", port), name


def test_stores_are_on_a_network_without_a_way_out(compose: dict[str, Any]) -> None:
    assert compose["networks"]["stores"] == {"internal": True}
    for store in ("postgres", "valkey"):
        assert compose["services"][store]["networks"] == ["stores"]


def test_secrets_are_files_and_each_is_made(compose: dict[str, Any], tmp_path: Any) -> None:
    made = set(load_script().make_secrets(tmp_path, HOSTS))
    assert set(compose["secrets"]) == made
    for name, secret in compose["secrets"].items():
        assert secret["file"].endswith(f"/{name}")
    for name, service in compose["services"].items():
        assert set(service.get("secrets", [])) <= made, name
        for variable, value in service.get("environment", {}).items():
            is_file = "FILE" in variable or variable.endswith("_SECRETS_DIR")
            assert is_file or not re.search(r"PASSWORD|SECRET|TOKEN|_KEY\b", variable), (
                name,
                variable,
            )
            assert "@" not in str(value), (name, variable)


def test_nobody_holds_a_secret_that_is_not_needed(services: dict[str, Service]) -> None:
    holders = {
        secret: {name for name, each in services.items() if secret in each.get("secrets", [])}
        for secret in (
            "workcast_admin_database_url",
            "workcast_mlflow_database_url",
            "workcast_dashboards_database_url",
            "dashboards_password",
        )
    }
    assert holders == {
        "workcast_admin_database_url": {"migrate"},
        "workcast_mlflow_database_url": {"migrate", "mlflow"},
        "workcast_dashboards_database_url": {"migrate"},
        "dashboards_password": {"grafana"},
    }
    assert not services["evidently"].get("secrets")
    assert not [secret for secret in services["serving"]["secrets"] if "airflow" in secret]


def test_valkey_refuses_to_write_before_its_container_is_ended(
    services: dict[str, Service],
) -> None:
    valkey = services["valkey"]
    told = dict(pairwise(valkey["command"]))
    assert told["--maxmemory-policy"] == "noeviction"
    assert (told["--maxmemory"], valkey["mem_limit"]) == ("700mb", "1g")


def test_volumes_networks_and_neighbours_are_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).partition(":")[0]
            is_there = source in compose["volumes"] or (REPOSITORY / source).exists()
            assert is_there or source.startswith("/var/lib/docker"), (name, source)
        assert set(service.get("networks", [])) <= set(compose["networks"]), name
        assert set(service.get("depends_on", [])) <= set(services), name
    for config in compose["configs"].values():
        assert (REPOSITORY / config["file"]).is_file()


def test_images_of_others_have_versions(services: dict[str, Service]) -> None:
    for name, service in services.items():
        if not service["image"].startswith("${WORKCAST_"):
            assert re.fullmatch(r"[\w./-]+:v?\d[\w.]*", service["image"]), name


def test_whatever_computes_features_has_the_image_of_the_engine(
    services: dict[str, Service],
) -> None:
    chosen = {
        name: service["build"]["target"]
        for name, service in services.items()
        if service["image"] == "${WORKCAST_TASK_IMAGE:-workcast:latest}"
    }
    # Airflow's other parts run no DAG task.
    assert chosen == dict.fromkeys(
        ["migrate", "airflow-scheduler", "airflow-worker", "workcast"],
        "${WORKCAST_TASK_TARGET:-platform}",
    )


def test_java_may_load_what_it_unpacks(services: dict[str, Service]) -> None:
    for name, service in services.items():
        if "WORKCAST_SPARK_IMAGE" in service["image"] or "WORKCAST_TASK_IMAGE" in service["image"]:
            assert any(":exec" in place for place in service["tmpfs"]), name


def test_every_role_runs_and_every_address_is_a_server_and_its_port(
    services: dict[str, Service], tmp_path: Any
) -> None:
    settings = Settings(home=tmp_path, _env_file=None)  # type: ignore[call-arg]
    commands = [service.get("command", []) for service in services.values()]
    run = {command[1] for command in commands if command[:1] == ["run"]}
    assert run == set(plan_roles(settings, Layout()))
    addresses = {
        key: re.fullmatch(r"http://([a-z-]+):(\d+)", str(value))
        for key, value in services["workcast"]["environment"].items()
        if key.endswith("_URL") and "LAKE" not in key
    }
    assert len(addresses) == 4
    for key, address in addresses.items():
        assert address is not None, key
        ports = {port.rpartition(":")[2] for port in services[address[1]]["ports"]}
        assert address[2] in ports, key
