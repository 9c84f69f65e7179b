"""Compare one period with another: which inputs drifted, and did the error grow (Evidently)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd
from evidently import DataDefinition, Dataset, Regression, Report
from evidently.core.container import MetricContainer
from evidently.core.report import Snapshot
from evidently.presets import DataDriftPreset, RegressionPreset

from pipelines.errors import MonitoringError
from pipelines.monitoring.drift_columns import ComparableFrames, comparable_frames
from pipelines.monitoring.report_store import store_report

DRIFT_SHARE: Final = 0.5  # of the compared columns: from here on the period as a whole drifted
# Small samples: distances are mostly noise, so a test with few false alarms. Large samples:
# any test finds the smallest change, so a distance, in standard deviations or as
# Jensen-Shannon, that matters.
SMALL_SAMPLE: Final = 1_000
SMALL_SAMPLE_TESTS: Final = ("ks", "chisquare", 0.01)
LARGE_SAMPLE_TESTS: Final = ("wasserstein", "jensenshannon", 0.1)
ACTUAL: Final = "actual value"
PREDICTED: Final = "predicted value"
MAX_ROWS: Final = 10_000  # of each period: the report's time and size grow with the rows


@dataclass(frozen=True)
class DriftResult:
    """What one report found, and where it is to be read."""

    report_id: str
    project_id: str
    html_path: Path
    drifted_columns: tuple[str, ...]
    compared_columns: tuple[str, ...]
    presence_only_columns: tuple[str, ...]  # empty in one period: compared as known or missing
    left_out_columns: tuple[tuple[str, str], ...]  # column and reason
    drifted_share: float  # of the compared columns
    is_dataset_drift: bool
    mae_reference: float | None  # in the target's unit; None where no target was given
    mae_current: float | None
    reference_count: int  # rows given
    current_count: int
    reference_sample_count: int  # rows compared, at most `max_rows`
    current_sample_count: int


def drift_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    project: str,
    name: str,
    workspace: Path,
    html: Path,
    retention: int,
    as_of: datetime,
    target: str | None = None,
    prediction: str | None = None,
    drift_share: float = DRIFT_SHARE,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> DriftResult:
    """Report how `current` differs from `reference`, in the workspace and as an HTML page.

    Columns not named in `numeric` or `categorical` take no part. With `target` and
    `prediction` (both numeric) the report also holds the regression quality of both
    periods; rows whose actual value is not known yet are left out of both parts. Tests
    and thresholds are the constants above. `as_of` places the report on
    the time axis of the project.

    Raises:
        MonitoringError: a period has no rows, a column is absent or of another kind.
    """
    before = _sample(_known(reference, target, "reference"), max_rows, seed)
    after = _sample(_known(current, target, "current"), max_rows, seed)
    frames = comparable_frames(before, after, numeric=numeric, categorical=categorical)
    compared = (*frames.numeric, *frames.categorical)
    if not compared:
        raise MonitoringError(
            f"Nothing to compare for {project}: all of {len(numeric) + len(categorical)} columns "
            "are empty in both periods or hold too many different values."
        )
    outcome = _outcome(target, prediction)
    snapshot = _run(
        frames,
        None if outcome is None else (_outcomes(before, outcome), _outcomes(after, outcome)),
        drift_share=drift_share,
        name=name,
        as_of=as_of,
    )
    drifted = _drifted(snapshot)
    share = len(drifted) / len(compared)
    stored = store_report(
        snapshot, project=project, name=name, workspace=workspace, html=html, retention=retention
    )
    return DriftResult(
        report_id=stored.report_id,
        project_id=stored.project_id,
        html_path=stored.html_path,
        drifted_columns=drifted,
        compared_columns=compared,
        presence_only_columns=frames.presence_only,
        left_out_columns=frames.left_out,
        drifted_share=share,
        is_dataset_drift=share >= drift_share,
        mae_reference=_mae(before, outcome),
        mae_current=_mae(after, outcome),
        reference_count=len(reference),
        current_count=len(current),
        reference_sample_count=len(before),
        current_sample_count=len(after),
    )


def _known(frame: pd.DataFrame, target: str | None, period: str) -> pd.DataFrame:
    if frame.empty:
        raise MonitoringError(
            f"The {period} period has no rows; choose a period in which predictions were made."
        )
    if target is None:
        return frame
    if target not in frame.columns:
        raise MonitoringError(f"The {period} period lacks the column {target}.")
    known = frame.dropna(subset=[target])
    if known.empty:
        raise MonitoringError(
            f"In the {period} period none of {len(frame)} rows has a known {target}; "
            "wait until its workflows have closed, or report without a target."
        )
    return known


def _sample(frame: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    if len(frame) <= max_rows:
        return frame.reset_index(drop=True)
    return frame.sample(max_rows, random_state=seed).sort_index().reset_index(drop=True)


def _outcome(target: str | None, prediction: str | None) -> tuple[str, str] | None:
    if (target is None) != (prediction is None):
        raise MonitoringError(
            f"Target and prediction go together; target is {target}, prediction is {prediction}."
        )
    return None if target is None or prediction is None else (target, prediction)


def _outcomes(frame: pd.DataFrame, outcome: tuple[str, str]) -> pd.DataFrame:
    """Take actual and predicted values, under names no compared column has."""
    target, prediction = outcome
    return pd.DataFrame({ACTUAL: frame[target], PREDICTED: frame[prediction]}, dtype="float64")


def _run(
    frames: ComparableFrames,
    outcomes: tuple[pd.DataFrame, pd.DataFrame] | None,
    *,
    drift_share: float,
    name: str,
    as_of: datetime,
) -> Snapshot:
    compared = [*frames.numeric, *frames.categorical]
    numeric = list(frames.numeric)
    before, after = frames.reference, frames.current
    is_small = min(len(before), len(after)) < SMALL_SAMPLE
    num_method, cat_method, threshold = SMALL_SAMPLE_TESTS if is_small else LARGE_SAMPLE_TESTS
    parts: list[MetricContainer] = [
        DataDriftPreset(
            columns=compared,
            drift_share=drift_share,
            num_method=num_method,
            cat_method=cat_method,
            num_threshold=threshold,
            cat_threshold=threshold,
        )
    ]
    regression = None
    if outcomes is not None:
        before, after = before.join(outcomes[0]), after.join(outcomes[1])
        numeric += [ACTUAL, PREDICTED]
        regression = [Regression(target=ACTUAL, prediction=PREDICTED)]
        parts.append(RegressionPreset())
    definition = DataDefinition(
        numerical_columns=numeric,
        categorical_columns=list(frames.categorical),
        regression=regression,
    )
    try:
        return Report(parts, include_tests=True).run(
            current_data=Dataset.from_pandas(after, data_definition=definition),
            reference_data=Dataset.from_pandas(before, data_definition=definition),
            timestamp=as_of.astimezone(UTC).replace(tzinfo=None),  # Evidently's have no zone
            name=name,
        )
    except (ArithmeticError, LookupError, TypeError, ValueError) as err:
        raise MonitoringError(
            f"Evidently could not compare {len(before)} rows with {len(after)} rows of "
            f"{', '.join(compared)}: {type(err).__name__}: {err}"
        ) from err


def _drifted(snapshot: Snapshot) -> tuple[str, ...]:
    """Read which columns failed Evidently's drift test, in the order compared."""
    drifted = []
    for test in snapshot.dict()["tests"]:
        params = test["metric_config"]["params"]
        if str(params["type"]).endswith(":ValueDrift") and test["status"].value == "FAIL":
            drifted.append(str(params["column"]))
    return tuple(drifted)


def _mae(frame: pd.DataFrame, outcome: tuple[str, str] | None) -> float | None:
    if outcome is None:
        return None
    return float((frame[outcome[0]] - frame[outcome[1]]).abs().mean())
