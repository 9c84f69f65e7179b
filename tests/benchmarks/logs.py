"""Small event logs with the keys of XES as columns, for benchmarks that take any log."""

from pathlib import Path

import numpy as np
import pandas as pd

START = pd.Timestamp("2024-01-01 08:00", tz="UTC")
_STEPS = ("Register", "Check", "Decide", "Tell")


def write_logs(folder: Path, counts: tuple[int, ...] = (150, 40, 50), seed: int = 0) -> list[Path]:
    """Write logs one after the other in time; each workflow is quick or slow, as its first
    activity says, and slow ones wait the longer the more people are at work.
    """
    rng = np.random.default_rng(seed)
    paths, number = [], 0
    for count in counts:
        rows = []
        for _ in range(count):
            is_slow = rng.random() < 0.4
            moment = START + pd.Timedelta(hours=3 * number + float(rng.random()))
            person = rng.integers(0, 4)
            steps = [f"{'Slow' if is_slow else 'Quick'} {_STEPS[0]}", *_STEPS[1:]]
            if rng.random() < 0.3:
                steps.insert(2, "Check")
            for step in steps:
                rows.append((f"w{number:04d}", step, moment, f"p{person}"))
                moment += pd.Timedelta(hours=(20 if is_slow else 4) * float(rng.lognormal(0, 0.3)))
                person = (person + rng.integers(0, 2)) % 4
            number += 1
        names = ["case:concept:name", "concept:name", "time:timestamp", "org:resource"]
        path = folder / f"log{len(paths)}.csv"
        pd.DataFrame(rows, columns=names).to_csv(path, index=False)
        paths.append(path)
    return paths
