"""Run steps side by side, each as soon as those it needs are done."""

from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Final

# Planning a statement takes about as long as running it on a day's rows, and one core.
_WORKERS: Final = 2


@dataclass(frozen=True)
class Step:
    """What to run, and the names of the steps to be done before; others than steps are ignored."""

    run: Callable[[], Any]
    needs: Set[str] = frozenset()


def run_steps(steps: Mapping[str, Step], workers: int = _WORKERS) -> Iterator[tuple[str, Any]]:
    """Run all steps; yield the name of each and what it returned, as they are done.

    Of those that can be run the one that stands first is. When one fails no other is begun.

    Raises:
        CycleError: steps need each other.
    """
    sorter = TopologicalSorter(
        {name: [need for need in step.needs if need in steps] for name, step in steps.items()}
    )
    sorter.prepare()
    rank = {name: number for number, name in enumerate(steps)}
    ready: list[str] = []
    running: dict[Future[Any], str] = {}
    with ThreadPoolExecutor(workers) as pool:
        while sorter.is_active():
            ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
            begun, ready = ready[: workers - len(running)], ready[workers - len(running) :]
            running |= {pool.submit(steps[name].run): name for name in begun}
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                result = future.result()
                sorter.done(name)
                yield name, result
