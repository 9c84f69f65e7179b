"""Start programs as soon as what they need is up, side by side, and wait until all are healthy."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.errors import PlatformError
from pipelines.platform.logs import log_tail
from pipelines.platform.programs import Program
from pipelines.platform.supervisord import ProcessState, Supervisord

_POLL_S: Final = 0.3
# A program that needs a third start in a row will not stay up by itself.
_MAX_RESTARTS: Final = 2

States = Mapping[str, ProcessState]


@dataclass(frozen=True)
class Step:
    """Something to be done once on the way, between programs."""

    name: str
    needs: tuple[str, ...]
    run: Callable[[], None]


class _Work(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    def begin(self) -> None: ...
    def missing(self, states: States) -> str | None:
        """Return what it still waits for, None when done; raise PlatformError when it failed."""


def bring_up(
    server: Supervisord, programs: Sequence[Program], steps: Sequence[Step], console: Console
) -> None:
    """Start everything in the order of its needs; a program that is up already is only asked.

    Raises:
        PlatformError: a program keeps dying or is not healthy in time, with the end of its log;
            or a step failed. The other programs stay up.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool, _shown(console) as progress:
        waiting: list[_Work] = [
            *(_ProgramWork(each, server) for each in programs),
            *(_StepWork(each, pool) for each in steps),
        ]
        lines = {
            work.name: progress.add_task(work.name, total=1, start=False, detail="")
            for work in waiting
        }
        begun: list[_Work] = []
        done: set[str] = set()
        while waiting or begun:
            for work in [w for w in waiting if done.issuperset(w.needs)]:
                waiting.remove(work)
                begun.append(work)
                progress.start_task(lines[work.name])
                work.begin()
            states = {each.name: each for each in server.states()}
            for work in list(begun):
                missing = work.missing(states)
                progress.update(lines[work.name], detail=missing or "ready")
                if missing is None:
                    progress.update(lines[work.name], completed=1)
                    if progress.disable:
                        elapsed_s = progress.tasks[lines[work.name]].elapsed or 0
                        console.print(f"✓ {work.name:<22} {elapsed_s:4.0f} s")
                    begun.remove(work)
                    done.add(work.name)
            time.sleep(_POLL_S if begun else 0)


class _ProgramWork:
    def __init__(self, program: Program, server: Supervisord) -> None:
        self.name = program.name
        self.needs = program.needs
        self._program = program
        self._server = server
        self._deadline = 0.0
        self._restarts_before = 0

    def begin(self) -> None:
        self._server.start_program(self.name)
        self._restarts_before = self._server.state(self.name).restart_count
        self._deadline = time.monotonic() + self._program.start_wait_s

    def missing(self, states: States) -> str | None:
        state = states[self.name]
        restart_count = state.restart_count - self._restarts_before
        if state.state == "FATAL" or restart_count > _MAX_RESTARTS:
            self._give_up(f"{self.name} keeps dying: {restart_count + 1} starts failed.")
        if state.started_at is None:
            return state.spawn_error or state.state.lower()
        missing = self._program.health(state.started_at)
        if missing is not None and time.monotonic() > self._deadline:
            self._give_up(
                f"{self.name} is not healthy {self._program.start_wait_s} s after its start: "
                f"{missing}."
            )
        return missing

    def _give_up(self, reason: str) -> None:
        """Stop the program, which supervisord would start for ever, and say why."""
        self._server.stop_programs([self.name], self._program.stop_wait_s)
        raise PlatformError(f"{reason}\n{log_tail(self._program.log)}")


class _StepWork:
    def __init__(self, step: Step, pool: ThreadPoolExecutor) -> None:
        self.name = step.name
        self.needs = step.needs
        self._step = step
        self._pool = pool
        self._future: Future[None] | None = None

    def begin(self) -> None:
        self._future = self._pool.submit(self._step.run)

    def missing(self, states: States) -> str | None:
        if self._future is None or not self._future.done():
            return "at work"
        self._future.result()  # raises what the step raised
        return None


@contextmanager
def _shown(console: Console) -> Iterator[Progress]:
    progress = Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<22}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
        console=console,
        disable=not console.is_terminal,  # a file or a pipe gets a line for each that is ready
    )
    with progress:
        yield progress
