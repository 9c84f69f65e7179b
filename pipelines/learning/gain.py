"""Which features trees lean on, where there are too many trees to explain row by row."""

from collections.abc import Iterable, Sequence

import lightgbm as lgb
import numpy as np


def gain_shares(boosters: Iterable[tuple[lgb.Booster, Sequence[str]]]) -> dict[str, float]:
    """Return by feature its share of the splits' gain, the mean over boosters; largest first.

    Args:
        boosters: each with the names of the features it reads, in their order.
    """
    shares: dict[str, float] = {}
    count = 0
    for booster, names in boosters:
        gain = booster.feature_importance(importance_type="gain")
        total = float(np.sum(gain)) or 1.0
        for name, value in zip(names, gain, strict=True):
            shares[name] = shares.get(name, 0.0) + float(value) / total
        count += 1
    ranked = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
    return {name: share / count for name, share in ranked}
