"""Which Java `make test-spark` takes, and what it says where there is none."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.spark


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script, on a machine without any Java."""
    spec = importlib.util.spec_from_file_location("java", REPOSITORY / "infra/spark/java.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(module, "SYSTEM", tmp_path / "jvm")
    return module


def _install(home: Path, version: str) -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return home


def test_the_first_that_fits_is_taken(
    java: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = tmp_path / "jvm"
    assert java.find() is None
    too_new = _install(system / "java-25", "25.0.1")
    assert java.find() is None
    fits = _install(system / "java-21", "21.0.7")
    assert java.find() == fits
    on_path = _install(tmp_path / "other", "17.0.15")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "java").symlink_to(on_path / "bin" / "java")
    assert java.find() == on_path
    monkeypatch.setenv("JAVA_HOME", str(too_new))
    assert java.find() == on_path, "the one asked for is too new"
    monkeypatch.setenv("JAVA_HOME", str(_install(tmp_path / "asked", "17.0.1")))
    assert java.find() == tmp_path / "asked"


def test_old_java_and_broken_java_do_not_fit(java: ModuleType, tmp_path: Path) -> None:
    _install(tmp_path / "jvm" / "java-8", "1.8.0_432")
    broken = _install(tmp_path / "jvm" / "java-broken", "17")
    (broken / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    assert java.find() is None


def test_without_root_it_says_what_to_install(
    java: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"Java 17 or 21.*openjdk-17-jre-headless.*JAVA_HOME"):
        java.install()


def test_as_root_it_installs_debians(
    java: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    """With a stand-in for the package manager that puts a Java where Debian's would be."""
    ready = _install(tmp_path / "debian", "17.0.15")
    program = tmp_path / "path" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nPATH=/usr/bin:/bin\necho apt-get $* $DEBIAN_FRONTEND\n"
        f"mkdir -p {tmp_path}/jvm && cp -r {ready} {tmp_path}/jvm/java-17\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(java.os, "geteuid", lambda: 0)
    java.main()
    out, err = capfd.readouterr()
    assert out == f"{tmp_path}/jvm/java-17\n", "the answer alone"
    assert "update noninteractive" in err
    assert "install --yes --no-install-recommends openjdk-17-jre-headless" in err
