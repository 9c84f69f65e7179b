"""Two periods to compare: what the champion learned from, and what came after it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.contracts import Model
from pipelines.errors import MonitoringError
from pipelines.learning.columns import AS_OF
from pipelines.learning.encode import Encoder, Kind
from pipelines.learning.predictor import Predictor
from pipelines.learning.split import Part
from pipelines.learning.training_set import rows_of
from pipelines.monitoring.drift import DriftResult, drift_report
from pipelines.monitoring.outcomes import ANSWER
from pipelines.registry.load import LoadedModel, load_champion
from pipelines.settings import Settings
from pipelines.store.frames import typed_frame

OTHER: Final = "(other)"
# Names that no feature has.
PREDICTION: Final = {model: f"predicted {figure}" for model, figure in ANSWER.items()}
ACTUAL_DURATION: Final = "actual remaining_time_s"


@dataclass(frozen=True)
class Periods:
    """The model's inputs, answers and, for durations, what happened, in two periods.

    Categories are their levels' names; levels the model does not tell apart are "(other)".
    """

    reference: pd.DataFrame
    current: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    target: str | None
    prediction: str | None
    current_start: datetime
    current_end: datetime  # the last moment of prediction


@dataclass(frozen=True)
class ChampionDrift:
    """What a report found about a champion."""

    model_version: str
    current_until: datetime  # the last moment of prediction compared
    result: DriftResult


def champion_drift(settings: Settings, model: Model) -> ChampionDrift:
    """Report the period after the champion's training period against it.

    The report goes to the project `Workcast <model>` of the Evidently workspace and to the
    folder of the HTML reports.

    Raises:
        NotFoundError: there is no champion.
        RegistryError: the registry does not answer.
        MonitoringError: its training set cannot be read, or a period cannot be compared.
    """
    loaded = load_champion(model.value, settings.mlflow, settings.model_cache)
    if not isinstance(loaded.predictor, Predictor):
        raise MonitoringError(f"Drift of {model.value} is not watched: it reads no feature rows.")
    periods = training_and_later(read_training_set(loaded), loaded.predictor)
    start, end = periods.current_start, periods.current_end
    result = drift_report(
        periods.reference,
        periods.current,
        numeric=periods.numeric,
        categorical=periods.categorical,
        target=periods.target,
        prediction=periods.prediction,
        project=f"Workcast {model.value}",
        name=f"Version {loaded.version}: {start:%Y-%m-%d} to {end:%Y-%m-%d} against training",
        workspace=settings.evidently_dir,
        html=settings.reports_dir,
        retention=settings.report_retention,
        as_of=end,
        seed=settings.seed,
    )
    return ChampionDrift(loaded.version, end, result)


def read_training_set(loaded: LoadedModel) -> pd.DataFrame:
    """Read the rows a registered version was trained and judged on.

    Raises:
        MonitoringError: the version does not say which, or they cannot be read.
    """
    version = f"version {loaded.version} of {loaded.name}"
    if not loaded.dataset_url:
        raise MonitoringError(f"The registry does not say what {version} was trained on.")
    try:
        with fsspec.open(loaded.dataset_url, "rb") as file:
            return typed_frame(pq.read_table(file))
    except (OSError, pa.ArrowInvalid) as err:
        raise MonitoringError(
            f"The training set {loaded.dataset_url} of {version} cannot be read ({err}); train "
            "the model again."
        ) from err


def training_and_later(rows: pd.DataFrame, predictor: Predictor) -> Periods:
    """Take the training rows as the reference and the later test rows as the current period.

    Raises:
        TrainingError: one of the two has no row, or a column of the model's is missing.
    """
    columns = predictor.encoder.columns
    prediction = PREDICTION[predictor.model]
    is_duration = predictor.model is Model.REMAINING_TIME
    later = rows_of(rows, Part.TEST)
    return Periods(
        reference=_compared(rows_of(rows, Part.TRAIN), predictor),
        current=_compared(later, predictor),
        numeric=(*(c.name for c in columns if c.kind is not Kind.CATEGORY), prediction),
        categorical=tuple(c.name for c in columns if c.kind is Kind.CATEGORY),
        target=ACTUAL_DURATION if is_duration else None,
        prediction=prediction if is_duration else None,
        current_start=later[AS_OF].min().to_pydatetime(),
        current_end=later[AS_OF].max().to_pydatetime(),
    )


def _compared(rows: pd.DataFrame, predictor: Predictor) -> pd.DataFrame:
    answers = predictor.predict(rows)[ANSWER[predictor.model]]
    frame = decoded(predictor.encoder, rows).assign(**{PREDICTION[predictor.model]: answers})
    if predictor.model is Model.REMAINING_TIME:
        return frame.assign(**{ACTUAL_DURATION: rows["remaining_time_s"].astype("float64")})
    return frame


def decoded(encoder: Encoder, rows: pd.DataFrame) -> pd.DataFrame:
    """Return what the model is given: numbers, and the names of categories; missing is NaN."""
    matrix = encoder.matrix(rows)
    frame = pd.DataFrame(matrix, columns=encoder.names, index=rows.index)
    for column in encoder.columns:
        if column.kind is Kind.CATEGORY:
            names = np.array([*column.levels, OTHER, None], dtype=object)
            # The last name, at -1, is that of a missing value.
            codes = frame[column.name].fillna(-1).astype(int).to_numpy()
            frame[column.name] = names[codes]
    return frame
