"""Both overlays, rendered by kustomize: valid, restricted, and naming nothing that is not there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.manifests import FOREIGN, KUBERNETES, Manifest, containers, pods, render, selects
from tests.infra.test_make_secrets import HOSTS, load_script

OVERLAYS = ("small", "production")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    folder = tmp_path_factory.mktemp("secrets") / "secrets"
    load_script().make_secrets(folder, HOSTS)
    return {"small": render("small", folder), "production": render("production")}


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, rendered: Any) -> list[Manifest]:
    return list(rendered[request.param])


def named(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def secrets(manifests: list[Manifest]) -> dict[str, set[str]]:
    """Return the keys of every secret, made here or by the operator."""
    own = {name: set(each["data"]) for name, each in named(manifests, "Secret").items()}
    vault = named(manifests, "ExternalSecret").values()
    return own | {
        each["spec"]["target"]["name"]: {entry["secretKey"] for entry in each["spec"]["data"]}
        for each in vault
    }


def test_every_manifest_is_valid(manifests: list[Manifest]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate")
    checked = [each for each in manifests if each["kind"] not in FOREIGN]
    for each in checked:
        validator.validate(each, "1.33", strict=True)
    for name, _, pod in pods(manifests):
        if name == "dag-task":
            whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}
            validator.validate(whole, "1.33", strict=True)
    assert len(checked) > 30


def test_every_pod_meets_the_restricted_standard(manifests: list[Manifest]) -> None:
    names = []
    for name, _, pod in pods(manifests):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"]), name
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"]["cpu"], name
        names.append(name)
    assert {"dag-task", "migrate", "serving", "airflow-scheduler"} <= set(names)


def test_every_server_has_probes(manifests: list[Manifest]) -> None:
    for name, each in {**named(manifests, "Deployment"), **named(manifests, "StatefulSet")}.items():
        for container in each["spec"]["template"]["spec"]["containers"]:
            assert "livenessProbe" in container, name
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                found = container.get(probe, {})
                call = found.get("httpGet") or found.get("tcpSocket")
                assert call is None or call["port"] in ports, (name, probe)


def test_whatever_a_pod_names_is_there(manifests: list[Manifest]) -> None:
    maps, keys = named(manifests, "ConfigMap"), secrets(manifests)
    claims, accounts = named(manifests, "PersistentVolumeClaim"), named(manifests, "ServiceAccount")
    for name, _, pod in pods(manifests):
        assert pod["serviceAccountName"] in accounts, name
        own_claims = {
            each["metadata"]["name"]
            for set_of in named(manifests, "StatefulSet").values()
            for each in set_of["spec"].get("volumeClaimTemplates", [])
        }
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps, name
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name
            if "secret" in volume:
                items = volume["secret"].get("items", [])
                assert {item["key"] for item in items} <= keys[volume["secret"]["secretName"]], name
        for container in containers(pod):
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted <= set(volumes) | own_claims, name
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in maps, name


def test_every_selector_chooses_pods_and_every_service_a_port_of_theirs(  # noqa: C901
    manifests: list[Manifest],
) -> None:
    all_pods = list(pods(manifests))
    for name, service in named(manifests, "Service").items():
        wanted = {"matchLabels": service["spec"]["selector"]}
        chosen = [pod for _, labels, pod in all_pods if selects(wanted, labels)]
        assert len(chosen) == 1, name
        ports = {port["name"] for each in chosen[0]["containers"] for port in each["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for kind in ("PodDisruptionBudget", "Deployment", "StatefulSet"):
        for name, each in named(manifests, kind).items():
            assert [
                n for n, labels, _ in all_pods if selects(each["spec"]["selector"], labels)
            ] == [name]
    for name, policy in named(manifests, "NetworkPolicy").items():
        peers = [policy["spec"]["podSelector"]]
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            sides = [*rule.get("from", []), *rule.get("to", [])]
            peers += [side["podSelector"] for side in sides if "podSelector" in side]
        for peer in peers:
            assert [n for n, labels, _ in all_pods if selects(peer, labels)], (name, peer)
    for name, scaler in named(manifests, "HorizontalPodAutoscaler").items():
        assert scaler["spec"]["scaleTargetRef"]["name"] in named(manifests, "Deployment"), name
    for name, ingress in named(manifests, "Ingress").items():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["name"] in named(manifests, "Service"), name


def test_every_address_in_the_settings_is_a_service_and_its_port(manifests: list[Manifest]) -> None:
    services = {
        f"http://{name}:{port['port']}"
        for name, each in named(manifests, "Service").items()
        for port in each["spec"]["ports"]
    }
    data = named(manifests, "ConfigMap")["settings"]["data"]
    named_here = {key: value for key, value in data.items() if value.startswith("http://")}
    inside = {key: value for key, value in named_here.items() if ".monitoring:" not in value}
    assert len(inside) == 4
    assert set(inside.values()) <= services


@pytest.mark.parametrize(
    ("setting", "component"),
    [("WORKCAST_STATSD_ADDRESS", "airflow-scheduler"), ("WORKCAST_OTLP_ENDPOINT", "serving")],
)
def test_whoever_is_to_tell_who_watches_may(
    rendered: dict[str, list[Manifest]], setting: str, component: str
) -> None:
    manifests = rendered["production"]
    address = named(manifests, "ConfigMap")["settings"]["data"][setting]
    host, _, port = address.removeprefix("http://").partition(":")
    labels = {"app.kubernetes.io/component": component}
    allowed = [
        (to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], way["port"])
        for policy in named(manifests, "NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", [])
        for to in rule.get("to", [])
        if "namespaceSelector" in to
        for way in rule["ports"]
    ]
    assert (host.partition(".")[2], int(port)) in allowed


def test_dag_tasks_run_in_the_image_of_the_scheduler(manifests: list[Manifest]) -> None:
    (container,) = named(manifests, "Deployment")["airflow-scheduler"]["spec"]["template"]["spec"][
        "containers"
    ]
    given = {each["name"]: each.get("value") for each in container["env"]}
    prefix = "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_"
    image = f"{given[prefix + 'REPOSITORY']}:{given[prefix + 'TAG']}"
    assert image == container["image"]
    assert not image.endswith(":latest")


def test_a_pod_gets_no_secret_that_it_does_not_need(manifests: list[Manifest]) -> None:
    held = {
        name: {
            item["key"]
            for volume in pod["volumes"]
            for item in volume.get("secret", {}).get("items", [])
        }
        for name, _, pod in pods(manifests)
    }
    admin = "workcast_admin_database_url"
    assert [name for name, keys in held.items() if admin in keys] == []
    whole = [
        name
        for name, _, pod in pods(manifests)
        if any("secret" in v and "items" not in v["secret"] for v in pod["volumes"])
    ]
    assert whole == ["migrate"]
    assert "workcast_airflow_database_url" not in held["dag-task"]
    assert not any("airflow" in key for key in held["serving"])
    assert held["evidently"] == set()


def test_argo_cd_applies_the_overlay_that_is_there() -> None:
    application = yaml.safe_load((KUBERNETES / "argocd" / "application.yaml").read_text())
    path = Path(application["spec"]["source"]["path"])
    assert path == (KUBERNETES / "overlays" / "production").relative_to(KUBERNETES.parents[1])


def test_production_keeps_no_state_in_the_cluster_and_small_brings_its_stores(
    rendered: dict[str, list[Manifest]],
) -> None:
    assert {"postgres", "valkey"} <= set(named(rendered["small"], "StatefulSet"))
    assert not named(rendered["production"], "StatefulSet")
    settings = named(rendered["production"], "ConfigMap")["settings"]["data"]
    assert settings["WORKCAST_LAKE_URL"].startswith("s3://")
    assert settings["WORKCAST_ENVIRONMENT"] == "production"
