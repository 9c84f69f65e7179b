"""What one would answer without a model: medians and quantiles of earlier tasks, by group."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from pipelines.learning.task_duration.features import TASK_ACTIVITY, TASK_PERSON

BY_ACTIVITY: Final = (TASK_ACTIVITY,)
BY_PERSON: Final = (TASK_ACTIVITY, TASK_PERSON)
_LEAST_OF_GROUP: Final = 10


def group_quantile(
    train: pd.DataFrame, rows: pd.DataFrame, keys: Sequence[str], quantile: float
) -> pd.Series:
    """Return the quantile of the training durations with the same keys, in seconds.

    With fewer than ten such durations the last key is dropped, in the end all.

    Args:
        train: rows with the keys and duration_s.
        rows: rows with the keys to answer for.
        keys: columns, the most telling first.
        quantile: between 0 and 1.
    """
    answer = pd.Series(float("nan"), index=rows.index)
    for count in range(len(keys), 0, -1):
        some = list(keys[:count])
        groups = train.groupby(some, observed=True)["duration_s"]
        of_group = groups.quantile(quantile)[groups.size() >= _LEAST_OF_GROUP]
        answer = answer.fillna(rows[some].join(of_group.rename("of_group"), on=some)["of_group"])
    return answer.fillna(train["duration_s"].quantile(quantile))
