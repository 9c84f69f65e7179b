"""Kubernetes manifests as kustomize renders them, and what they say."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.conftest import REPOSITORY

KUBERNETES: Final = REPOSITORY / "infra" / "kubernetes"
# Kinds that an operator brings: no schema of Kubernetes' own describes them.
FOREIGN: Final = {"ExternalSecret", "Application"}

Manifest = dict[str, Any]


def render(overlay: str, secrets: Path | None = None) -> list[Manifest]:
    """Render an overlay in a copy, with `secrets` as its folder of that name."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl, whose kustomize renders the overlays: not on the PATH")
    folder = KUBERNETES / "overlays" / overlay
    if secrets is not None:
        copy = secrets.parent / "kubernetes"
        shutil.copytree(KUBERNETES, copy, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("secrets"))  # fmt: skip
        folder = copy / "overlays" / overlay
        shutil.copytree(secrets, folder / "secrets", dirs_exist_ok=True)
    command = [kubectl, "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, str], Manifest]]:
    """Yield name, labels and spec of every pod there will be, DAG tasks' included."""
    for each in manifests:
        if "template" in (spec := each.get("spec") or {}) and "containers" in (
            spec["template"].get("spec") or {}
        ):
            template = spec["template"]
            yield each["metadata"]["name"], template["metadata"]["labels"], template["spec"]
        if each["kind"] == "ConfigMap" and "dag-task-pod.yaml" in each["data"]:
            pod = yaml.safe_load(each["data"]["dag-task-pod.yaml"])
            yield "dag-task", pod["metadata"]["labels"], pod["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Tell whether a label selector chooses a pod."""
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        (labels.get(each["key"]) in each["values"]) is (each["operator"] == "In")
        for each in selector.get("matchExpressions", [])
    )
