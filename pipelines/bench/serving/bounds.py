"""What the service is held to, each bound with what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pipelines.bench.serving import inference
from pipelines.bench.serving.cached import HitRate
from pipelines.bench.serving.measure import Comparison
from pipelines.bench.serving.questions import CANDIDATES, DURATION, HITS
from pipelines.bench.serving.soak import Soak

API_MS: Final = 200.0
INFERENCE_MS: Final = 50.0

# Question, connections, figure, and the most times the bare server's; one worker each.
_RATIOS: Final = (
    (DURATION, 1, "p50_ms", 8.0),
    (DURATION, 1, "p99_ms", 12.0),
    (CANDIDATES[100], 1, "p99_ms", 10.0),
    (CANDIDATES[500], 1, "p99_ms", 8.0),
    (HITS, 1, "p50_ms", 4.0),
)
_THROUGHPUT: Final = 0.25  # of the bare server's, at 8 connections
_THROUGHPUT_CONNECTIONS: Final = 8
_INFERENCE_RATIO: Final = 1.3
_HIT_SHARE: Final = 0.8
_SPIKE_RATIO: Final = 4.0  # p99.9 over p99
_GROWTH_RATIO: Final = 1.05


@dataclass(frozen=True)
class Bound:
    """A figure, what it may be at most (or must be at least), and whether it is."""

    what: str
    figure: float
    limit: float
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps to the limit."""
        return self.figure >= self.limit if self.is_least else self.figure <= self.limit

    def row(self) -> list[str]:
        """Return the row of a table: what, figure, limit, verdict."""
        limit = f"{'at least' if self.is_least else 'at most'} {self.limit:g}"
        return [self.what, f"{self.figure:.2f}", limit, "met" if self.is_met else "missed"]


def ratio_bounds(found: Iterable[Comparison]) -> list[Bound]:
    """Judge the ratios to the bare server, as far as they were measured."""
    of_one_worker = {(one.question, one.connections): one for one in found if one.workers == 1}
    bounds = [
        Bound(f"{question}: {_shown(name)}, times the bare server's", one.ratio(name), limit)
        for question, connections, name, limit in _RATIOS
        if (one := of_one_worker.get((question, connections))) is not None
    ]
    loaded = of_one_worker.get((DURATION, _THROUGHPUT_CONNECTIONS))
    if loaded is not None:
        what = f"{DURATION}: answers a second, share of the bare server's"
        bounds.append(Bound(what, loaded.ratio("per_second"), _THROUGHPUT, is_least=True))
    return bounds


def inference_bound(found: Mapping[str, Sequence[float]]) -> Bound:
    """Judge the model alone."""
    ratio = median(found[inference.OURS]) / median(found[inference.BARE])
    return Bound("model alone, one row: p50, times LightGBM's own", ratio, _INFERENCE_RATIO)


def hit_bound(found: HitRate) -> Bound:
    """Judge the share of answers that came from the cache."""
    return Bound("cache: share of hits on the workload", found.share, _HIT_SHARE, is_least=True)


def endpoint_bounds(found: Iterable[Comparison], inference_ms: Mapping[str, float]) -> list[Bound]:
    """Judge every endpoint under the load it must stand, and the models within."""
    return [
        *(
            Bound(
                f"{one.question}: p99 in ms, {one.connections} connections",
                one.figure("p99_ms"),
                API_MS,
            )
            for one in found
        ),
        *(
            Bound(f"inference of {model} within: mean in ms", mean, INFERENCE_MS)
            for model, mean in inference_ms.items()
        ),
    ]


def soak_bounds(found: Soak) -> list[Bound]:
    """Judge the long run."""
    return [
        Bound("long run: p99.9 over p99", found.load.p999_ms / found.load.p99_ms, _SPIKE_RATIO),
        Bound("long run: memory at the end over that before", found.growth_ratio, _GROWTH_RATIO),
    ]


def comparison_row(one: Comparison) -> list[str]:
    """Return the row of a table: the service's figures, and behind each its ratio."""
    names = ("p50_ms", "p95_ms", "p99_ms", "p999_ms")
    cells = [_cell(one, name, f"{one.figure(name):.2f}") for name in names]
    answers = _cell(one, "per_second", f"{one.figure('per_second'):,.0f}")
    return [one.question, f"{one.connections}", f"{one.workers}", *cells, answers]


def _cell(one: Comparison, name: str, figure: str) -> str:
    return f"{figure} ({one.ratio(name):.2f}x)" if one.bare else figure


def _shown(name: str) -> str:
    return name.removesuffix("_ms").replace("p999", "p99.9")
