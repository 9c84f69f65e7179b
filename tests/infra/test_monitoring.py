"""Rules, dashboards and runbook agree with each other and with what the servers say."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from tests.conftest import REPOSITORY

MONITORING = REPOSITORY / "infra" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
# Of BentoML and of the exporters, as their documentation names them.
FOREIGN = {
    "workcast_request_total",
    "workcast_request_duration_seconds_bucket",
    "workcast_request_duration_seconds_count",
    "pg_up",
    "pg_stat_activity_count",
    "pg_settings_max_connections",
    "pg_stat_database_xact_commit",
    "pg_database_size_bytes",
    "redis_up",
    "redis_memory_used_bytes",
    "redis_memory_max_bytes",
    "redis_commands_processed_total",
    "redis_db_keys",
    "up",
}
WORD = re.compile(r"\b(?:workcast|slo|airflow|pg|redis)[:_][a-z0-9_:]+|\bup\b")


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def asked() -> dict[str, str]:
    """Every PromQL expression of rules and dashboards, by where it stands."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                if "expr" in target:  # SQL is asked of a database: tests/integration
                    found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def known_metrics() -> set[str]:
    from serving import metrics  # noqa: F401, PLC0415 - registers what the service counts

    own = {
        f"{family.name}{suffix}"
        for family in REGISTRY.collect()
        if family.name.startswith("workcast_")
        for suffix in (
            ("_total",)
            if family.type == "counter"
            else ("_bucket", "_count", "_sum")
            if family.type == "histogram"
            else ("",)
        )
    }
    mapped = yaml.safe_load((MONITORING / "statsd.yml").read_text())["mappings"]
    airflow = {
        f"{mapping['name']}{suffix}" for mapping in mapped for suffix in ("", "_sum", "_count")
    }
    return own | airflow | FOREIGN | {rule["record"] for rule in rules() if "record" in rule}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool (Debian's package prometheus): not on the PATH")
    return found


def test_the_alerts_fire_when_they_should_and_only_then(promtool: str) -> None:
    tests = sorted(Path(__file__).parent.glob("prometheus/*.yml"))
    assert len(tests) == len(RULES)
    command = [promtool, "test", "rules", *map(str, tests)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration(promtool: str) -> None:
    for what, *files in (
        ["rules", *RULES],
        ["config", "--syntax-only", MONITORING / "prometheus.yml"],
    ):
        command = [promtool, "check", what, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_and_panel_asks_for_metrics_that_there_are() -> None:
    known = known_metrics()
    assert len(asked()) > 40
    unknown = {where: set(WORD.findall(expr)) - known for where, expr in asked().items()}
    assert not {where: names for where, names in unknown.items() if names}


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / "infra/README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) > 15
    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        assert alert["annotations"]["summary"].endswith((".", "be.")), alert["alert"]
        file, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert (file, anchor in anchors) == ("infra/README.md", True), alert["alert"]


def test_the_collector_and_grafana_name_what_there_is() -> None:
    collector = yaml.safe_load((MONITORING / "collector.yml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(collector[kind]), kind
    (logs,) = collector["receivers"]["filelog"]["include"]
    services = yaml.safe_load((REPOSITORY / "infra/compose/monitoring.yml").read_text())["services"]
    places = [volume.rsplit(":", 2)[1] for volume in services["otel-collector"]["volumes"]]
    assert any(logs.startswith(f"{place}/") for place in places)
    sources = yaml.safe_load(
        (MONITORING / "grafana/provisioning/datasources/workcast.yml").read_text()
    )["datasources"]
    addresses = [source["url"] for source in sources]
    addresses += [exporter["endpoint"] for exporter in collector["exporters"].values()]
    hosts = {re.sub(r"^http://", "", address).partition(":")[0] for address in addresses}
    assert hosts - set(services) == {"postgres"}
    # Grafana reads the file of a secret that it is given.
    (database,) = [source for source in sources if "secureJsonData" in source]
    secret = re.search(r"/run/secrets/(\w+)", database["secureJsonData"]["password"])
    assert secret is not None
    assert secret[1] in services["grafana"]["secrets"]
    assert "stores" in services["grafana"]["networks"]


def test_dashboards_come_from_files_and_from_the_prometheus_that_is_provisioned() -> None:
    path = MONITORING / "grafana/provisioning/datasources/workcast.yml"
    known = {each["uid"] for each in yaml.safe_load(path.read_text())["datasources"]}
    ids = []
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        ids.append(board["uid"])
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert {panel["datasource"]["uid"] for panel in panels} <= known
        assert all(panel["description"] for panel in panels)
        places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
        assert len(set(places)) == len(places)
    assert ids == [path.stem for path in DASHBOARDS]
