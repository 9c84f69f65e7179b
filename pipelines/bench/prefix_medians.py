"""What one would say of a prefix without a model: medians, means and constants."""

from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.examples import Values

_GROUPS: Final = {
    "median by prefix length": ["prefix_length"],
    "median by last activity": ["activity"],
    "median by activity and length": ["activity", "prefix_length"],
    "median by activity and elapsed time": ["activity", "elapsed_bin"],
}
_BINS: Final = 8
_FEWEST: Final = 10


def prefix_medians(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, Values]:
    """Return each baseline's remaining time of the test prefixes, in seconds.

    A group with fewer than ten training prefixes says what all prefixes say together. Elapsed
    time is cut at the training prefixes' octiles.

    Args:
        train: prefixes with prefix_length, activity, elapsed_now_s and remaining_time_s.
        test: prefixes with the first three.
    """
    edges = train["elapsed_now_s"].quantile(np.linspace(0, 1, _BINS + 1)[1:-1]).to_numpy()
    train = train.assign(elapsed_bin=np.searchsorted(edges, train["elapsed_now_s"]))
    test = test.assign(elapsed_bin=np.searchsorted(edges, test["elapsed_now_s"]))
    median = float(train["remaining_time_s"].median())
    said = {name: _by_group(train, test, keys, "median", median) for name, keys in _GROUPS.items()}
    said["mean by prefix length"] = _by_group(train, test, ["prefix_length"], "mean", median)
    said["median of all"] = np.full(len(test), median)
    said["zero"] = np.zeros(len(test))
    return said


def _by_group(
    train: pd.DataFrame, test: pd.DataFrame, keys: list[str], statistic: str, otherwise: float
) -> Values:
    grouped = train.groupby(keys)["remaining_time_s"]
    known = grouped.agg(statistic)[grouped.size() >= _FEWEST].rename("said")
    return test[keys].join(known, on=keys)["said"].fillna(otherwise).to_numpy(dtype=float)
