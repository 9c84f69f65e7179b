"""What the DAG `raise_alerts` does: score the risks at the watermark, and settle the alerts."""

import logging
from datetime import datetime
from typing import Final

import pandas as pd
from sqlalchemy import Engine

from pipelines.contracts import RiskKind, Severity, Stage
from pipelines.errors import MonitoringError, NotFoundError, TrainingError
from pipelines.jobs.risks import Known, score_risks
from pipelines.learning.columns import AS_OF
from pipelines.learning.risks.alert import WARNING_SCORE
from pipelines.monitoring.alerts import Alert, settle_alerts
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark

_log: Final = logging.getLogger(__name__)

# The champion's last: a registry that is away holds up no other kind.
_ORDER: Final = sorted(RiskKind, key=lambda kind: kind is RiskKind.LATE_WORKFLOW)


def raise_alerts(settings: Settings) -> str:
    """Bring the alerts of every kind up to the watermark of the features.

    A kind that cannot be told yet (no champion, too short a history) keeps its alerts as they are.

    Returns:
        What has become of each kind.

    Raises:
        MonitoringError: no features have been built yet.
        FeatureStoreError: the features cannot be joined.
        RegistryError: MLflow refuses or does not answer.
    """
    engine = open_engine(settings)
    try:
        until = get_watermark(engine, Stage.FEATURES)
        if until is None:
            raise MonitoringError("No features are built yet: run the DAG build_features first.")
        told = [_settle(settings, engine, until, kind) for kind in _ORDER]
    finally:
        engine.dispose()
    return "; ".join(told)


def choose_alerts(risks: pd.DataFrame, min_score: float, max_count: int) -> list[Alert]:
    """Choose the greatest risks that are worth an alert, ties by subject; see `risk_frame`."""
    worth = risks[risks["score"] >= min_score].head(max_count)
    return [
        Alert(
            kind=RiskKind(risk["kind"]),
            subject=risk["subject_id"],
            severity=Severity(risk["level"]),
            score=risk["score"],
            message=risk["reason"],
            as_of=risk[AS_OF].to_pydatetime(),
        )
        for risk in worth.to_dict("records")
    ]


def _settle(settings: Settings, engine: Engine, until: datetime, kind: RiskKind) -> str:
    try:
        risks = score_risks(Known(settings, engine, until), kind)
    except (NotFoundError, TrainingError) as err:
        _log.warning("Alerts of %s stay as they are: %s", kind, err)
        return f"{kind}: as before ({err})"
    min_score = settings.alert_min_score.get(kind, WARNING_SCORE)
    found = choose_alerts(risks, min_score, settings.alert_max_count)
    done = settle_alerts(engine, kind, found)
    return (
        f"{kind}: {done.raised_count} raised, {done.updated_count} updated, "
        f"{done.closed_count} closed, of {len(risks)} scored"
    )
