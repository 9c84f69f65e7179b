"""A trained model as plain files: LightGBM's text, arrays and a spec.json, nothing pickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contracts import Model
from pipelines.errors import TrainingError
from pipelines.learning import delay_risk, remaining_time
from pipelines.learning.blend import Blend
from pipelines.learning.encode import Encoder, Matrix

SPEC_FILE: Final = "spec.json"
SPEC_VERSION: Final = 2
EXPECTED: Final = "expected_value"

# Below this many rows, handing work to further threads costs more than it saves.
_ROWS_PER_THREAD: Final = 5_000
_MOST_THREADS: Final = 4

_ANSWERS: Final = {
    Model.REMAINING_TIME: remaining_time.answers,
    Model.DELAY_RISK: delay_risk.answers,
}
_EXPLAINED: Final = {
    Model.REMAINING_TIME: remaining_time.MEDIAN_SCORE,
    Model.DELAY_RISK: delay_risk.RISK_SCORE,
}


@dataclass(frozen=True)
class Predictor:
    """Answers for feature rows; `scores` are what is learned, `fitted` shifts or calibration.

    `facts` say what it was trained on (rows, period, late rule) and do not change answers.
    """

    model: Model
    encoder: Encoder
    scores: Mapping[str, Blend]
    fitted: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def input_columns(self) -> list[str]:
        """Columns that a feature row must have."""
        return self.encoder.sources

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict feature rows; the result has the frame's index.

        Remaining time: remaining_time_s, remaining_time_s_p10, remaining_time_s_p90, in
        seconds. Delay risk: late_probability, 0 to 1.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        return pd.DataFrame(self._answers(self.encoder.matrix(frame)), index=frame.index)

    def predict_row(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Predict one row given as column -> value, as `predict` does but without pandas.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        answers = self._answers(self.encoder.row(values))
        return {name: float(value[0]) for name, value in answers.items()}

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what each feature added to or took from each prediction (SHAP values).

        One column per feature, named as in the encoder, and `expected_value`; a row sums to the
        prediction in the model's own unit: log(1 + hours) of the median remaining time, or
        the calibrated log-odds of being late. TreeSHAP (Lundberg and others, 2020); of a
        forest's median, see `Member.contributions`.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        return pd.DataFrame(
            self._contributions(self.encoder.matrix(frame)),
            index=frame.index,
            columns=[*self.encoder.names, EXPECTED],
        )

    def contributions_row(self, values: Mapping[str, Any]) -> dict[str, float]:
        """Return the contributions to one row's prediction, as `contributions` does.

        Raises:
            TrainingError: a column of `input_columns` is missing.
        """
        row = self._contributions(self.encoder.row(values))[0].tolist()
        return dict(zip([*self.encoder.names, EXPECTED], row, strict=True))

    def save(self, folder: Path) -> None:
        """Write the scores and spec.json into `folder`, making it."""
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "spec_version": SPEC_VERSION,
            "model": self.model.value,
            "scores": {name: of.save(folder, name) for name, of in self.scores.items()},
            "columns": self.encoder.to_spec(),
            "fitted": dict(self.fitted),
            "facts": dict(self.facts),
        }
        text = json.dumps(spec, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: a file is missing or not readable, or the spec is of another version.
        """
        spec = _read_spec(folder)
        try:
            return cls(
                model=Model(spec["model"]),
                encoder=Encoder.from_spec(spec["columns"]),
                scores={name: Blend.load(folder, of) for name, of in spec["scores"].items()},
                fitted=spec["fitted"],
                facts=spec["facts"],
            )
        except FileNotFoundError as err:
            raise TrainingError(f"The model in {folder} lacks {err.filename}.") from err
        except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as err:
            raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err

    def _answers(self, matrix: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        threads = min(_MOST_THREADS, 1 + len(matrix) // _ROWS_PER_THREAD)
        raw = {name: score.raw(matrix, threads) for name, score in self.scores.items()}
        return _ANSWERS[self.model](raw, self.fitted)

    def _contributions(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        values = self.scores[_EXPLAINED[self.model]].contributions(matrix)
        if self.model is Model.DELAY_RISK:
            values = values * self.fitted["slope"]
            values[:, -1] += self.fitted["intercept"]
        return values


def _read_spec(folder: Path) -> dict[str, Any]:
    path = folder / SPEC_FILE
    try:
        spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = spec["spec_version"]
    except FileNotFoundError as err:
        raise TrainingError(f"No model in {folder}: {SPEC_FILE} is missing.") from err
    except (KeyError, TypeError, ValueError) as err:
        raise TrainingError(f"{path} cannot be read: {err!r}.") from err
    if version != SPEC_VERSION:
        raise TrainingError(
            f"{path} has spec version {version}, this program reads {SPEC_VERSION}: train anew."
        )
    return spec
