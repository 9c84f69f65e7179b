"""Measure the model alone, one row, beside LightGBM's own predict with one thread."""

from itertools import cycle

from pipelines.bench.measure import interleaved_latencies_ms
from pipelines.bench.serving.champions import Champions
from pipelines.contracts import Model

OURS = "one row, from its features to its answer"
BARE = "LightGBM's predict of the same boosters"


def inference_ms(champions: Champions, count: int) -> dict[str, list[float]]:
    """Return milliseconds of each way, `count` times each, in turn."""
    rows = cycle(champions.duration_rows)
    bare = champions.bare[Model.REMAINING_TIME]
    # As LightGBM likes it best: float64, contiguous, the booster's own columns.
    ready = [
        [(booster, row[None, list(columns)].copy()) for booster, columns in bare.boosters]
        for row in bare.rows
    ]
    of_bare = cycle(ready)

    def ours() -> None:
        champions.duration.predict_rows([next(rows)])

    def raw() -> None:
        for booster, row in next(of_bare):
            booster.predict(row, raw_score=True, num_threads=1)

    found = interleaved_latencies_ms({OURS: ours, BARE: raw}, count)
    return {name: values.tolist() for name, values in found.items()}
