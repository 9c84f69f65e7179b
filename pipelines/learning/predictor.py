"""A trained model that answers for feature rows, kept as plain files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning import delay_risk, remaining_time
from pipelines.learning.blend import Blend
from pipelines.learning.columns import require_columns
from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import Matrix
from pipelines.learning.late_limits import LateLimits
from pipelines.learning.model_files import read_model, write_model

Values = npt.NDArray[np.float64]

EXPECTED: Final = "expected_value"

# Below this many rows, handing work to further threads costs more than it saves.
_ROWS_PER_THREAD: Final = 5_000
_MOST_THREADS: Final = 4

_EXPLAINED: Final = {
    Model.REMAINING_TIME: remaining_time.MEDIAN_SCORE,
    Model.DELAY_RISK: delay_risk.RISK_SCORE,
}


@dataclass(frozen=True)
class Predictor:
    """Answers for feature rows; `scores` are what is learned, `fitted` margins or calibration.

    `facts` say what it was trained on (rows, period, late rule) and do not change answers. Beyond
    the `late_limits` a workflow is late whatever was learned; None: nothing is.
    """

    model: Model
    encoder: Encoder
    scores: Mapping[str, Blend]
    fitted: Mapping[str, Any]
    facts: Mapping[str, Any]
    late_limits: LateLimits | None = None

    @cached_property
    def input_columns(self) -> list[str]:
        """Columns that a feature row must have."""
        limiting = () if self.late_limits is None else self.late_limits.columns
        return list(dict.fromkeys((*self.encoder.sources, *limiting)))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict feature rows; the result has the frame's index.

        Remaining time: remaining_time_s, remaining_time_s_p10, remaining_time_s_p90, in
        seconds. Delay risk: late_probability, 0 to 1, and overdue_s, by how many seconds the
        workflow is late already: where it is, the probability is 1.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        require_columns(frame, self.input_columns, "rows to predict")
        answers = self._answers(self.encoder.matrix(frame))
        return pd.DataFrame(
            self._with_what_is_late(answers, lambda name: frame[name]), index=frame.index
        )

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
        """Predict a few rows given as column -> value, as `predict` does but without pandas.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        answers = self._answers(self.encoder.matrix_of_rows(rows))
        return self._with_what_is_late(answers, _column_of(rows))

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what each feature added to or took from each prediction (SHAP values).

        One column per feature, named as in the encoder, and `expected_value`; a row sums to the
        prediction in the model's own unit: log(1 + hours) of the median remaining time, or
        the calibrated log-odds of being late (of what is late already, as if it were not).
        TreeSHAP (Lundberg and others, 2020); of a forest's median, see `Member.contributions`.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        return pd.DataFrame(
            self._contributions(self.encoder.matrix(frame)),
            index=frame.index,
            columns=[*self.encoder.names, EXPECTED],
        )

    def explained_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Values], Values]:
        """Predict a few rows as `predict_rows` does, and explain them as `contributions` does.

        Returns:
            The predictions, and the contributions without the expected value: (rows, columns).

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        matrix = self.encoder.matrix_of_rows(rows)
        shares = self.scores[_EXPLAINED[self.model]].shares(matrix) * self._slope
        return self._with_what_is_late(self._answers(matrix), _column_of(rows)), shares

    def save(self, folder: Path) -> None:
        """Write the scores and spec.json into `folder`, making it."""
        spec: dict[str, Any] = {
            "model": self.model.value,
            "columns": self.encoder.to_spec(),
            "fitted": dict(self.fitted),
            "facts": dict(self.facts),
            "late_limits": None if self.late_limits is None else self.late_limits.to_spec(),
        }
        write_model(folder, self.scores, spec)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or not readable, or the spec is of another version.
        """
        scores, spec = read_model(folder)
        try:
            limits = spec.get("late_limits")  # versions from before there were any have none
            return cls(
                model=Model(spec["model"]),
                encoder=Encoder.from_spec(spec["columns"]),
                scores=scores,
                fitted=spec["fitted"],
                facts=spec["facts"],
                late_limits=None if limits is None else LateLimits.from_spec(limits),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err

    def _answers(self, matrix: Matrix) -> dict[str, Values]:
        threads = min(_MOST_THREADS, 1 + len(matrix) // _ROWS_PER_THREAD)
        raw = {name: score.raw(matrix, threads) for name, score in self.scores.items()}
        if self.model is Model.DELAY_RISK:
            return delay_risk.answers(raw, self.fitted)
        groups = remaining_time.groups_of(self.encoder, matrix, self.fitted["group_column"])
        return remaining_time.answers(raw, self.fitted, groups)

    def _with_what_is_late(
        self, learned: dict[str, Values], column: Callable[[str], Iterable[Any]]
    ) -> dict[str, Values]:
        """Put what is certain in the place of what was learned; `column` gives one by its name."""
        if self.late_limits is None:
            return learned
        overdue_s = self.late_limits.overdue_s(*map(column, self.late_limits.columns))
        sure = np.where(overdue_s > 0, 1.0, learned["late_probability"])
        return learned | {"late_probability": sure, "overdue_s": overdue_s}

    def _contributions(self, matrix: Matrix) -> Values:
        values = self.scores[_EXPLAINED[self.model]].contributions(matrix) * self._slope
        values[:, -1] += delay_risk.offset(self.fitted) if self.model is Model.DELAY_RISK else 0
        return values

    @property
    def _slope(self) -> float:
        """What calibration multiplies a score by."""
        return float(self.fitted["slope"]) if self.model is Model.DELAY_RISK else 1.0


def _column_of(rows: Sequence[Mapping[str, Any]]) -> Callable[[str], Iterable[Any]]:
    """Return what gives a column of some rows by its name.

    Raises:
        TrainingError: it raises that, for a column that is missing.
    """

    def column(name: str) -> list[Any]:
        try:
            return [row[name] for row in rows]
        except KeyError as err:
            raise TrainingError(f"The row to predict lacks the column {name}.") from err

    return column
