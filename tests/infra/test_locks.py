"""What the images are made of: versions that the tests ran with, and enough to serve."""

import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

LOCKS = REPOSITORY / "infra" / "requirements"

# Runs with the whole environment installed, and lets nothing be imported that the image lacks.
SERVE = """
import importlib.abc, re, sys
from importlib.metadata import packages_distributions

def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()

locked = {normal(name) for name in sys.argv[1].split()} | {"workcast", "editables"}
absent = {
    module for module, owners in packages_distributions().items()
    if not {normal(owner) for owner in owners} & locked
}

class Lean(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in serving.txt", name=name)

sys.meta_path.insert(0, Lean())
import serving.registry, serving.runtime, serving.service
from pipelines.learning.methods import METHODS
print("served", len(METHODS) > 0, "airflow" in absent)
"""


def versions(lock: str) -> dict[str, set[str]]:
    """Return the versions of every package in a lock; one may have a version for each Python."""
    found: dict[str, set[str]] = {}
    text = (LOCKS / f"{lock}.txt").read_text()
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE):
        found.setdefault(name.lower(), set()).add(version)
    return found


@pytest.mark.parametrize("lock", ["platform", "serving"])
def test_an_image_holds_no_version_that_the_tests_did_not_run_with(lock: str) -> None:
    tested, held = versions("lock"), versions(lock)
    other = {name: held[name] for name in held if held[name] != tested.get(name, held[name])}
    assert not other


@pytest.mark.parametrize("lock", ["lock", "platform", "serving", "spark"])
def test_every_locked_package_has_hashes_and_no_address(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text()
    for requirement in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]
    assert not re.search(r"https?://|--index-url|--find-links", text)


def test_nothing_that_only_builds_or_tests_is_in_an_image() -> None:
    for lock in ("platform", "serving"):
        assert not {"pytest", "ruff", "moto", "hatchling", "uv", "import-linter"} & set(
            versions(lock)
        )


def test_the_service_imports_nothing_that_its_image_lacks() -> None:
    command = [sys.executable, "-W", "ignore", "-c", SERVE, " ".join(versions("serving"))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.splitlines()[-1] == "served True True"
