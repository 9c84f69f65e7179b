"""Find Java 17 or 21 for Spark, or install Debian's 17 where this process may; print its home.

Looks at JAVA_HOME, at `java` on the PATH and at the usual folder of system packages, in this
order. Run by `make setup-spark` and `make test-spark`; standard library only.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Spark 4.0 is built for and tested with these.
OLDEST, NEWEST = 17, 21
PACKAGE = "openjdk-17-jre-headless"
SYSTEM = Path("/usr/lib/jvm")


def candidates() -> Iterator[Path]:
    """Yield homes of Java that may be there, the one that was asked for first."""
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if java := shutil.which("java"):
        yield Path(java).resolve().parents[1]
    yield from sorted(home for home in SYSTEM.glob("*") if not home.is_symlink())


def major_version(home: Path) -> int | None:
    """Return the major version of the Java at `home`; None where there is none that runs."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program that Spark will run
            [home / "bin" / "java", "-version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(found[1]) if found else None


def find() -> Path | None:
    """Return the first home whose Java runs Spark."""
    for home in candidates():
        version = major_version(home)
        if version is not None and OLDEST <= version <= NEWEST:
            return home
    return None


def install() -> None:
    """Install Debian's package.

    Raises:
        SystemExit: this is not root on Debian or one of its kin, or the package manager failed.
    """
    apt_get = shutil.which("apt-get")
    if apt_get is None or os.geteuid() != 0:
        sys.exit(
            f"Spark needs Java {OLDEST} or {NEWEST} and none was found. Install it (on Debian and "
            f"Ubuntu: sudo apt-get install {PACKAGE}) or set JAVA_HOME to its folder."
        )
    print(f"Installing {PACKAGE} for Spark ...", file=sys.stderr)  # noqa: T201 - a script's word
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
        command = [apt_get, "--quiet", *arguments]
        # What it says belongs to people; standard output is the answer's alone.
        if subprocess.run(command, env=quiet, stdout=sys.stderr, check=False).returncode:  # noqa: S603
            sys.exit(f"{' '.join(command)} failed; install Java {OLDEST} or set JAVA_HOME.")


def main() -> None:
    """Print the home of a Java that runs Spark."""
    home = find()
    if home is None:
        install()
        home = find()
    if home is None:
        sys.exit(f"{PACKAGE} is installed but no Java was found in {SYSTEM}; set JAVA_HOME.")
    print(home)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
