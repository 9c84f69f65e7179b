"""A trained model as plain files: LightGBM's text boosters and a spec.json, nothing pickled."""

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
from pipelines.learning.encode import Encoder, Matrix

SPEC_FILE: Final = "spec.json"
SPEC_VERSION: Final = 2
EXPECTED: Final = "expected_value"

# Below this many rows, handing work to further threads costs more than it saves.
_ROWS_PER_THREAD: Final = 5_000
_MOST_THREADS: Final = 4

_EXPLAINED: Final = {
    Model.REMAINING_TIME: remaining_time.MEDIAN_BOOSTER,
    Model.DELAY_RISK: delay_risk.RISK_BOOSTER,
}


@dataclass(frozen=True)
class Predictor:
    """Answers for feature rows; `fitted` are the model's margins or calibration.

    `facts` say what it was trained on (rows, period, late rule) and do not change answers.
    """

    model: Model
    encoder: Encoder
    boosters: Mapping[str, lgb.Booster]
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
        prediction in the booster's own unit: log(1 + hours) of the median remaining time, or
        the calibrated log-odds of being late. TreeSHAP (Lundberg and others, 2020).

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
        """Write the boosters and spec.json into `folder`, making it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, booster in self.boosters.items():
            (folder / f"{name}.txt").write_text(booster.model_to_string(), encoding="utf-8")
        spec = {
            "spec_version": SPEC_VERSION,
            "model": self.model.value,
            "boosters": sorted(self.boosters),
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
            boosters = {
                name: lgb.Booster(model_str=(folder / f"{name}.txt").read_text(encoding="utf-8"))
                for name in spec["boosters"]
            }
            return cls(
                model=Model(spec["model"]),
                encoder=Encoder.from_spec(spec["columns"]),
                boosters=boosters,
                fitted=spec["fitted"],
                facts=spec["facts"],
            )
        except FileNotFoundError as err:
            raise TrainingError(f"The model in {folder} lacks {err.filename}.") from err
        except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as err:
            raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err

    def _answers(self, matrix: Matrix) -> dict[str, npt.NDArray[np.float64]]:
        threads = min(_MOST_THREADS, 1 + len(matrix) // _ROWS_PER_THREAD)
        raw = {
            name: np.asarray(booster.predict(matrix, raw_score=True, num_threads=threads))
            for name, booster in self.boosters.items()
        }
        if self.model is Model.DELAY_RISK:
            return delay_risk.answers(raw, self.fitted)
        groups = remaining_time.groups_of(self.encoder, matrix, self.fitted["group_column"])
        return remaining_time.answers(raw, self.fitted, groups)

    def _contributions(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        booster = self.boosters[_EXPLAINED[self.model]]
        values = np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=1))
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
