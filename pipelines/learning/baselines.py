"""What one would answer without a model: medians and shares of the training rows."""

from typing import Final

import pandas as pd

from pipelines.contracts import Model
from pipelines.learning.columns import find_column

MEDIAN: Final = "median"  # over everything; of a probability: the base rate
_GROUPINGS: Final = {
    Model.REMAINING_TIME: {
        "by_last_activity": ["last_activity"],
        "by_last_activity_and_count": ["last_activity", "event_count"],
    },
    Model.DELAY_RISK: {
        "by_template": ["template_id"],
        "by_last_activity": ["last_activity"],
    },
}
_LEAST_OF_GROUP: Final = 10


def baseline_predictions(
    model: Model, train: pd.DataFrame, test: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return each baseline's predictions for `test`, shaped as the model's.

    Remaining time: the median and the 10 % and 90 % quantiles of the training rows, overall, by
    last activity, and by last activity and event count. Delay risk: the share of late rows
    overall, by template, and by last activity. A group with fewer than ten training rows
    answers as everything together does.
    """
    predictions = {MEDIAN: _by_group(model, train, test, [])}
    for name, columns in _GROUPINGS[model].items():
        found = [find_column(train, column) for column in columns]
        keys = [column for column in found if column is not None]
        if len(keys) == len(columns):
            predictions[name] = _by_group(model, train, test, keys)
    return predictions


def _by_group(
    model: Model, train: pd.DataFrame, test: pd.DataFrame, keys: list[str]
) -> pd.DataFrame:
    if model is Model.REMAINING_TIME:
        label = train["remaining_time_s"].astype(float)
        answers = {
            "remaining_time_s": 0.5,
            "remaining_time_s_p10": 0.1,
            "remaining_time_s_p90": 0.9,
        }
        overall = pd.Series({name: label.quantile(q) for name, q in answers.items()})
    else:
        label = train["is_late"].astype(float)
        answers = {"late_probability": float("nan")}
        overall = pd.Series({"late_probability": label.mean()})
    result = pd.DataFrame({name: overall[name] for name in answers}, index=test.index)
    if not keys:
        return result
    grouped = label.groupby([train[key] for key in keys], observed=True)
    sizes = grouped.size()
    for name, quantile in answers.items():
        of_group = grouped.mean() if quantile != quantile else grouped.quantile(quantile)  # noqa: PLR0124
        of_group = of_group[sizes >= _LEAST_OF_GROUP].rename("answer")
        joined = test[keys].join(of_group, on=keys)["answer"]
        result[name] = joined.fillna(overall[name])
    return result
