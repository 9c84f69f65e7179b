"""How long a task will wait or take: its median, an 80 % and a 90 % interval around it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.blend import Blend, Member
from pipelines.learning.boosting import TreeParams, boost, stop_early
from pipelines.learning.columns import AS_OF
from pipelines.learning.encode import Encoder
from pipelines.learning.examples import Examples, age_ratios
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.intervals import Groups, Margins, Values, calibrate
from pipelines.learning.model_files import read_model, write_model
from pipelines.learning.task_duration.features import TASK_ACTIVITY
from pipelines.learning.task_duration.spans import Span

Mask = npt.NDArray[np.bool_]

MEDIAN: Final = "p50"
# Lower quantile, upper quantile, coverage. Durations are skewed: what the wide interval misses
# is missed above three times as often as below, which makes it a good deal shorter.
INTERVALS: Final = {"80": ("p10", "p90", 0.8), "90": ("p025", "p925", 0.9)}
_QUANTILES: Final = {"p10": 0.1, "p90": 0.9, "p025": 0.025, "p925": 0.925}
_OBJECTIVES: Final[Mapping[str, Mapping[str, Any]]] = {
    MEDIAN: {"objective": "regression_l1", "metric": "l1"},
    **{
        name: {"objective": "quantile", "alpha": alpha, "metric": "quantile"}
        for name, alpha in _QUANTILES.items()
    },
}
_FEWEST_ROWS: Final = 100


@dataclass(frozen=True)
class TaskDurationModel:
    """Answers for features of `task_features`.

    Scores are log(1 + duration / unit_s), the unit being the median duration learned from: a
    second more matters alike up to about there, and less and less beyond. `margins` belong to
    the intervals, by activity.
    """

    span: Span
    encoder: Encoder
    blends: Mapping[str, Blend]
    unit_s: float
    margins: Mapping[str, Margins]

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict durations in seconds; the result has the frame's index.

        Columns: the span's name for the median, and with _low80, _high80, _low90 and _high90
        for the ends of the intervals, ordered and never negative.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        answers = self.answers(self.scores(features), activity_groups(features))
        return pd.DataFrame(answers, index=features.index)

    def predict_columns(
        self, columns: Mapping[str, Sequence[Any]], intervals: Collection[str] = tuple(INTERVALS)
    ) -> dict[str, Values]:
        """Predict rows given as column -> plain values, as `predict` does but without pandas.

        Args:
            columns: what is known of each task, its activity and its person.
            intervals: which of `INTERVALS` to tell; each costs two boosters.

        Raises:
            TrainingError: a column the model was trained on is missing.
        """
        matrix = self.encoder.matrix_of_columns(columns)
        ends = {end for name in intervals for end in INTERVALS[name][:2]}
        scores = {name: self.blends[name].raw(matrix) for name in (MEDIAN, *ends)}
        groups = np.array([str(activity) for activity in columns[TASK_ACTIVITY]], dtype=object)
        return self.answers(scores, groups, intervals)

    def scores(self, features: pd.DataFrame) -> dict[str, Values]:
        """Return the scores, without margins."""
        matrix = self.encoder.matrix(features)
        return {name: blend.raw(matrix) for name, blend in self.blends.items()}

    def answers(
        self,
        scores: Mapping[str, Values],
        groups: Groups,
        intervals: Collection[str] = tuple(INTERVALS),
    ) -> dict[str, Values]:
        """Turn scores into seconds with the model's margins."""
        ends = {
            name: self.margins[name].widen(scores[low], scores[high], groups)
            for name, (low, high, _) in INTERVALS.items()
            if name in intervals
        }
        return in_seconds(self.span, scores[MEDIAN], ends, self.unit_s)

    def save(self, folder: Path) -> None:
        """Write the scores and spec.json into `folder`, making it."""
        spec = {
            "span": self.span.value,
            "unit_s": self.unit_s,
            "columns": self.encoder.to_spec(),
            "margins": {name: margins.to_spec() for name, margins in self.margins.items()},
        }
        write_model(folder, self.blends, spec)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or not readable, or the spec is of another version.
        """
        blends, spec = read_model(folder)
        try:
            return cls(
                span=Span(spec["span"]),
                encoder=Encoder.from_spec(spec["columns"]),
                blends=blends,
                unit_s=spec["unit_s"],
                margins={name: Margins.from_spec(one) for name, one in spec["margins"].items()},
            )
        except (KeyError, TypeError, ValueError) as err:
            raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err


@dataclass(frozen=True)
class Fitted:
    """A trained model, and its forerunner's scores of the validation rows, unseen by it."""

    model: TaskDurationModel
    validation_scores: Mapping[str, Values]


def fit_task_duration(
    features: pd.DataFrame,
    fit: Mask,
    validation: Mask,
    span: Span,
    *,
    weight: Values | None = None,
    search_weight: Values | None = None,
    params: TreeParams | None = None,
    seed: int = 0,
) -> Fitted:
    """Train the boosters of the median and the intervals' ends, and calibrate the intervals.

    The number of trees and the margins come from the validation rows, then every row trains.

    Args:
        features: of `task_features`, all with a duration that was known by then.
        fit: rows to fit on while trees are counted.
        validation: later rows to count and calibrate on.
        span: which duration it is.
        weight: how many tasks each row stands for, as the long ones had less time to end (see
            `censoring_weights`); one where None.
        search_weight: the same while trees are counted and intervals calibrated, when the rows to
            fit on had less time still.
        params: hyper-parameters; the defaults where None.
        seed: of bagging and feature sampling.

    Raises:
        TrainingError: too few rows on one side, or no feature that varies.
    """
    for side, mask in (("to fit on", fit), ("to validate on", validation)):
        if mask.sum() < _FEWEST_ROWS:
            raise TrainingError(
                f"{int(mask.sum())} tasks {side}, at least {_FEWEST_ROWS} are needed: "
                "take a longer log."
            )
    unit_s = max(float(features.loc[fit, "duration_s"].median()), 1.0)
    encoder = fit_encoder(features.drop(columns=["task_id", "ended_at", "duration_s"]))
    examples = Examples(
        encoder=encoder,
        matrix=encoder.matrix(features),
        target=to_score(features["duration_s"], unit_s),
        weight=np.ones(len(features)) if weight is None else weight,
        age_ratio=age_ratios(features[AS_OF]),
        fit=fit,
        validation=validation,
        search_weight=search_weight,
    )
    searching = examples.searching
    params, columns = params or TreeParams(), tuple(range(len(encoder.columns)))
    scores, blends = {}, {}
    for name, objective in _OBJECTIVES.items():
        stopped = stop_early(searching, columns, objective, params, seed)
        scores[name] = stopped.validation_raw
        booster = boost(examples, columns, objective, params, seed, stopped.rounds)
        blends[name] = Blend((Member(booster, columns),))
    groups, actual = activity_groups(features[validation]), examples.target[validation]
    stands_for = searching.weight[validation]
    margins = {
        name: calibrate(
            scores[low],
            scores[high],
            actual,
            groups,
            coverage,
            weight=stands_for if np.ptp(stands_for) > 0 else None,
            symmetric=True,
        )
        for name, (low, high, coverage) in INTERVALS.items()
    }
    return Fitted(TaskDurationModel(span, encoder, blends, unit_s, margins), scores)


def activity_groups(features: pd.DataFrame) -> Groups:
    """Return each row's activity, the group that intervals are calibrated by."""
    return np.asarray(features[TASK_ACTIVITY].astype(str), dtype=object)


def to_score(duration_s: pd.Series, unit_s: float) -> Values:
    """Return log(1 + duration / unit)."""
    units: Values = np.maximum(duration_s.to_numpy(dtype=float), 0) / unit_s
    return np.log1p(units)


def in_seconds(
    span: Span,
    median: Values,
    ends: Mapping[str, tuple[Values, Values]],
    unit_s: float,
) -> dict[str, Values]:
    """Turn a median's and intervals' scores into seconds, columns as `predict` names them."""
    scores = {span.value: median}
    low = high = median
    for name in (one for one in INTERVALS if one in ends):  # the wider one holds the narrower one
        low, high = np.minimum.reduce([low, *ends[name]]), np.maximum.reduce([high, *ends[name]])
        scores[f"{span.value}_low{name}"], scores[f"{span.value}_high{name}"] = low, high
    return {name: np.maximum(np.expm1(of), 0.0) * unit_s for name, of in scores.items()}
