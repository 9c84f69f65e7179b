"""Say who has a port before a server fails on it."""

import socket
from dataclasses import dataclass

import psutil

from pipelines.errors import PlatformError


@dataclass(frozen=True)
class WantedPort:
    """A port, the program that will listen on it, and the setting that moves it."""

    port: int
    program: str
    setting: str


def require_free_ports(host: str, wanted: list[WantedPort]) -> None:
    """Raise one error that names every port that cannot be had.

    Raises:
        PlatformError: a port is in use or wanted twice; names port, program, holder and setting.
    """
    faults = []
    seen: dict[int, WantedPort] = {}
    for each in wanted:
        if (other := seen.get(each.port)) is not None:
            faults.append(
                f"Port {each.port} is wanted by {other.program} and by {each.program}: "
                f"set {other.setting} or {each.setting} to another port."
            )
        elif not _is_free(host, each.port):
            faults.append(
                f"Port {each.port} on {host}, wanted by {each.program}, is in use by "
                f"{_holder(each.port)}: stop that, or set {each.setting} to a free port."
            )
        seen.setdefault(each.port, each)
    if faults:
        raise PlatformError("\n".join(faults))


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: a connection in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _holder(port: int) -> str:
    """Name the listening process, as far as this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for each in connections:
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port:
            if each.pid is None:
                break
            try:
                return f"process {each.pid} ({psutil.Process(each.pid).name()})"
            except psutil.NoSuchProcess:
                break
    return "a process of another user"
