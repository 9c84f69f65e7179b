"""What a program of the platform is, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipelines.platform.health import HealthCheck
from pipelines.platform.ports import WantedPort

_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """Where the code lies that Airflow and Bento run."""

    root: Path = _ROOT  # working directory and import path of every program
    dags_folder: Path = _ROOT / "dags"
    service: str = "serving.service:WorkcastService"
    service_root: Path = _ROOT  # what `service` is imported from


@dataclass(frozen=True)
class Program:
    """One supervised program; `needs` names programs and steps that must be done before it."""

    name: str
    command: tuple[str, ...]
    log: Path
    address: str
    health: HealthCheck
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: WantedPort | None = None
    user: str | None = None
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
    start_wait_s: int = 600  # a program that ends is noticed at once; this is for one that hangs
    priority: int = 100  # the higher, the earlier supervisord stops it


@dataclass(frozen=True)
class External:
    """A server that somebody else runs, named by a URL setting."""

    name: str
    address: str
    health: HealthCheck
