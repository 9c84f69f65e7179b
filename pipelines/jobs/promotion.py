"""What the DAG `promote_models` does: judge challenger and champion, move the alias or not."""

from pipelines.contracts import Alias, Model
from pipelines.learning.judge import judge
from pipelines.monitoring.periods import read_training_set
from pipelines.registry.load import LoadedModel, load_version
from pipelines.registry.promote import alias_version, promote, refuse
from pipelines.settings import Settings


def decide_promotion(settings: Settings, model: str) -> str:
    """Judge the challenger of `model` on its later window, beside the champion and baselines.

    Both are measured on the test rows of the challenger's training set: workflows that neither
    has learned from.

    Returns:
        The decision in words, as kept in the registry.

    Raises:
        RegistryError: MLflow refused or does not answer.
    """
    name = Model(model)
    number = alias_version(name, Alias.CHALLENGER, settings.mlflow)
    if number is None:
        return f"{name}: there is no challenger to judge"
    challenger = _load(settings, name, number)
    number = alias_version(name, Alias.CHAMPION, settings.mlflow)
    champion = _load(settings, name, number) if number is not None else None
    decision = judge(
        name,
        challenger.predictor,
        champion.predictor if champion else None,
        read_training_set(challenger),
    ).decision
    act = promote if decision.promote else refuse
    act(name, challenger.version, decision.reason, settings.mlflow)
    return f"{name} version {challenger.version}: {decision.reason}"


def _load(settings: Settings, name: Model, version: str) -> LoadedModel:
    return load_version(name, version, settings.mlflow, settings.model_cache)
