"""Ask for long, and watch whether anything ever gets in the way: garbage, polls, flushes, swaps.

Half-way through, the champion is registered once more and takes over: a swap under load.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pipelines.bench.serving.load import Load, Target, timed
from pipelines.platform.processes import memory_bytes

_SAMPLES: Final = 200
_MIB: Final = 2**20


@dataclass(frozen=True)
class Soak:
    """Latencies of one connection over minutes, and the service's memory all along."""

    load: Load
    pss_mib: Sequence[float]  # proportional set size of all its processes, evenly over time

    @property
    def growth_ratio(self) -> float:
        """Memory of the last tenth over that of the third tenth, when all is warm."""
        tenth = max(1, len(self.pss_mib) // 10)
        warm = self.pss_mib[2 * tenth : 3 * tenth] or self.pss_mib
        return median(self.pss_mib[-tenth:]) / median(warm)


def soak(
    target: Target,
    process_id: int,
    minutes: float,
    swap: Callable[[], None],
    progress: Callable[[str, int, int], None],
) -> Soak:
    """Ask on one connection for so long; `swap` is called half-way, and must not wait.

    Raises:
        BenchmarkError: the service does not answer.
    """
    latencies_ms, pss_mib = array("d"), list[float]()
    seconds = minutes * 60

    to_do = [swap]

    def is_over(so_far_s: float) -> bool:
        if to_do and so_far_s >= seconds / 2:
            to_do.pop()()
        if so_far_s >= seconds * len(pss_mib) / _SAMPLES:
            progress(f"soak, {minutes:g} minutes", len(pss_mib), _SAMPLES)
            pss_mib.append(memory_bytes(process_id) / _MIB)
        return so_far_s >= seconds

    took_s, error_count = timed(target, is_over, latencies_ms)
    return Soak(Load.of(latencies_ms, took_s, error_count), pss_mib)
