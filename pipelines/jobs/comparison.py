"""What `workcast compare` does: put the answers of all versions beside what happened."""

from datetime import UTC, datetime

from pipelines.contracts import Model, Stage
from pipelines.monitoring.comparison import VersionRecord, compare_versions
from pipelines.monitoring.outcomes import join_outcomes, read_outcomes, read_predictions
from pipelines.registry.load import load_champion
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark

_EVER = datetime(1, 1, 1, tzinfo=UTC)


def compare_model(
    settings: Settings, model: Model, start: datetime | None, end: datetime | None
) -> list[VersionRecord]:
    """Compare the versions of a model on their answers about moments in [start, end).

    Lateness is judged as the champion's labels were. What ended before the features' watermark
    is known.

    Raises:
        NotFoundError: there is no champion.
        RegistryError: the registry does not answer.
    """
    champion = load_champion(model.value, settings.mlflow, settings.model_cache)
    train_end = datetime.fromisoformat(str(champion.predictor.facts["test_start"]))
    engine = open_engine(settings)
    try:
        until = get_watermark(engine, Stage.FEATURES) or _EVER
        answered = read_predictions(engine, model, start or _EVER, end or until, with_shadows=True)
    finally:
        engine.dispose()
    outcomes = read_outcomes(
        settings.lake, until, settings.late_quantile, train_end.replace(tzinfo=UTC)
    )
    return compare_versions(join_outcomes(answered, outcomes, model), model)
