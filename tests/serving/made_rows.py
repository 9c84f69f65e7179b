"""Rows as the online reader gives them, and the smallest real predictors of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.contracts import Model
from pipelines.features.request_time import add_request_time
from pipelines.features.views import VIEWS, FeatureView, qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.learning.blend import Blend
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.late_limits import LateLimits
from pipelines.learning.predictor import Predictor

AS_OF = datetime(2016, 4, 1, 12, tzinfo=UTC)
OPENED = AS_OF - timedelta(days=3)
USUAL = timedelta(days=9)  # lead time beyond which what has no due date is late
TYPES = {
    **dict.fromkeys(("workflow_id", "activity", "person_id", "team_id"), pa.string()),
    **dict.fromkeys(("as_of", "closed_at", "features_known_at"), TIMESTAMP),
    **dict.fromkeys(("is_known", "is_closed"), pa.bool_()),
    **{
        qualified(v, column.name): column.dtype
        for v, spec in VIEWS.items()
        for column in spec.columns
    },
}


def feature_row(workflow_id: str, **changes: Any) -> dict[str, Any]:
    """A row as the online reader gives it."""
    row: dict[str, Any] = {
        "workflow_id": workflow_id,
        "as_of": AS_OF,
        "is_known": True,
        "is_closed": False,
        "closed_at": None,
        "features_known_at": AS_OF - timedelta(hours=2),
        "activity": "check",
        "person_id": "ann",
        "team_id": None,
    }
    for view, spec in VIEWS.items():
        if view is not FeatureView.WORKFLOW_STATUS:
            row |= {qualified(view, column.name): None for column in spec.columns}
    row |= {
        "workflow_progress__opened_at": OPENED,
        "workflow_progress__due_at": AS_OF + timedelta(days=1),
        "workflow_progress__last_event_at": AS_OF - timedelta(hours=2),
        "workflow_progress__event_count": 4,
        "workflow_progress__rework_count": 1,
        "workflow_progress__last_activity": "check",
        "workflow_progress__workflow_attributes": '{"amount": 100}',
    }
    return row | changes


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        is_time = name in {"as_of", "closed_at", "features_known_at"} or any(
            name == qualified(view, column.name) and column.dtype == TIMESTAMP
            for view, spec in VIEWS.items()
            for column in spec.columns
        )
        if is_time:
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame.assign(is_closed=frame["is_closed"].astype("boolean"))


def predictor(model: Model) -> Predictor:
    """Train the smallest real predictor, on rows that differ in four columns."""
    rng = np.random.default_rng(7)
    rows = [
        feature_row(
            f"W{i % 40}",
            workflow_progress__rework_count=int(rng.integers(0, 6)),
            workflow_progress__last_activity=str(rng.choice(["check", "pay"])),
            workflow_progress__workflow_attributes=f'{{"amount": {int(rng.integers(1, 900))}}}',
            workflow_progress__opened_at=AS_OF - timedelta(hours=float(rng.integers(1, 99))),
        )
        for i in range(400)
    ]
    frame = add_request_time(frame_of(rows))
    encoder = fit_encoder(frame)
    matrix = encoder.matrix(frame)
    effort = frame["workflow_progress__rework_count"].to_numpy(dtype=float)
    quiet: dict[str, Any] = {"verbosity": -1, "num_threads": 1, "seed": 1}

    def score(objective: dict[str, Any], target: Any) -> Blend:
        data = lgb.Dataset(matrix, target, feature_name=[f"f{i}" for i in range(matrix.shape[1])])
        return Blend.of(lgb.train(objective | quiet, data, num_boost_round=20))

    if model is Model.DELAY_RISK:
        scores = {"late": score({"objective": "binary"}, (effort > 2).astype(float))}
        fitted: dict[str, Any] = {"slope": 1.0, "intercept": 0.0}
        limits: LateLimits | None = LateLimits(USUAL.total_seconds(), {}, is_told_at_closing=False)
    else:
        target = np.log1p(effort * 10 + rng.random(len(effort)))
        scores = {
            name: score({"objective": "quantile", "alpha": alpha}, target)
            for name, alpha in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9))
        }
        fitted = {"group_column": None, "margins": {"rest": [0.0, 0.0], "of_group": {}}}
        limits = None
    return Predictor(model, encoder, scores, fitted, {}, limits)
