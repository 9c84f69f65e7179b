"""Say how each server of the platform is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pipelines.errors import PlatformError
from pipelines.platform.processes import memory_bytes
from pipelines.platform.programs import Layout
from pipelines.platform.servers import plan_external, plan_programs
from pipelines.platform.supervisord import Supervisord
from pipelines.settings import Settings

# When a server that somebody else runs was started, as far as its heartbeats are concerned.
LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class ProgramStatus:
    """How one server of the platform is."""

    name: str
    address: str
    state: str  # supervisord's word, or `external`
    is_healthy: bool
    detail: str  # what is wrong; empty when healthy
    pid: int | None = None
    uptime_s: float | None = None
    restart_count: int = 0
    memory_bytes: int = 0  # proportional set size of all its processes
    log: Path | None = None


def status(settings: Settings, *, layout: Layout | None = None) -> list[ProgramStatus]:
    """Ask every server how it is, the external ones too; starts and changes nothing."""
    server = Supervisord(settings.home, settings.socket_dir)
    states = {each.name: each for each in server.states()} if server.pid() is not None else {}
    found = []
    for program in plan_programs(settings, layout or Layout()):
        state = states.get(program.name)
        started_at = state.started_at if state is not None else None
        pid = state.pid if state is not None else None
        fault = "does not run" if started_at is None else program.health(started_at)
        found.append(
            ProgramStatus(
                name=program.name,
                address=program.address,
                state=state.state if state is not None else "STOPPED",
                is_healthy=fault is None,
                detail=fault or "",
                pid=pid,
                uptime_s=(
                    None if started_at is None else (datetime.now(UTC) - started_at).total_seconds()
                ),
                restart_count=state.restart_count if state is not None else 0,
                memory_bytes=memory_bytes(pid) if pid is not None else 0,
                log=program.log,
            )
        )
    for other in plan_external(settings):
        fault = other.health(LONG_AGO)
        found.append(
            ProgramStatus(other.name, other.address, "external", fault is None, fault or "")
        )
    return found


def require_supervised(settings: Settings) -> None:
    """Make sure that programs which die would be started again.

    Raises:
        PlatformError: supervisord is gone, or a program will not stay up.
    """
    server = Supervisord(settings.home, settings.socket_dir)
    if server.pid() is None:
        raise PlatformError(
            f"The supervisor of the platform in {settings.home} is gone, so nothing restarts what "
            "dies: run this again, or `workcast up`; both recover it and lose nothing."
        )
    gone = [each.name for each in server.states() if each.state == "FATAL"]
    if gone:
        raise PlatformError(
            f"{', '.join(gone)} will not stay up: see the logs in {settings.home / 'logs'}."
        )
