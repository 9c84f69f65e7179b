"""Stop a platform, a half dead one too, and leave no process behind."""

import signal
from pathlib import Path
from typing import Final

from rich.console import Console

from pipelines.platform.processes import end_processes, find_processes
from pipelines.platform.progress import progress_bars
from pipelines.platform.servers import STOPPED_LAST, STORES
from pipelines.platform.supervisord import NAME as SUPERVISORD
from pipelines.platform.supervisord import Supervisord
from pipelines.settings import Settings

_STOP_WAIT_S: Final = 40
# Leftovers have lost their supervisor, and often whom they would say goodbye to as well.
_LEFTOVER_WAIT_S: Final = 10


def stop(settings: Settings, console: Console) -> int:
    """Stop servers, then stores, then supervisord, then whatever is left; return how many ran."""
    server = Supervisord(settings.home, settings.socket_dir)
    running: list[str] = []
    if server.pid() is not None:
        running = [each.name for each in server.states() if each.pid is not None]
        last = {name for wave in STOPPED_LAST for name in wave}
        with progress_bars(console) as progress:
            bar = progress.add_task("stopping the platform", total=len(running))
            for wave in ([name for name in running if name not in last], *STOPPED_LAST):
                names = [name for name in wave if name in running]
                server.stop_programs(names, _STOP_WAIT_S)
                progress.advance(bar, len(names))
            server.shut_down(_STOP_WAIT_S)
    return max(len(running), end_leftovers(settings.home))


def end_leftovers(home: Path) -> int:
    """End the processes of a platform whose supervisord is gone or no longer answers."""
    found = find_processes(home)
    programs = {each.program for each in found}
    # One that still lives stops its programs itself, each in its own way.
    end_processes((p for p in found if p.program == SUPERVISORD), wait_s=2 * _STOP_WAIT_S)
    end_processes(
        (p for p in found if p.program not in {SUPERVISORD, *STORES}), wait_s=_LEFTOVER_WAIT_S
    )
    stores = [each for each in found if each.program in STORES]
    # SIGINT is PostgreSQL's fast shutdown, and Valkey saves and leaves on it too.
    end_processes(stores, wait_s=_STOP_WAIT_S, stop_signal=signal.SIGINT)
    return len(programs)
