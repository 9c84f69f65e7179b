"""Have another version take over, as a promotion does, though it answers the same."""

from pipelines.contracts import Alias, Model
from pipelines.errors import BenchmarkError
from pipelines.registry.client import connected, registry_client
from pipelines.registry.promote import alias_version, promote
from pipelines.settings import Settings


def register_again(settings: Settings, model: Model) -> str:
    """Register the champion once more and make the new version champion; return its number.

    Raises:
        RegistryError: the registry does not answer or refuses.
        BenchmarkError: there is no champion.
    """
    number = alias_version(model.value, Alias.CHAMPION, settings.mlflow)
    if number is None:
        raise BenchmarkError(f"There is no champion of {model}: promote one first.")
    client = registry_client(settings.mlflow)
    with connected(settings.mlflow):
        found = client.get_model_version(model.value, number)
        made = client.create_model_version(
            model.value,
            str(found.source),
            run_id=found.run_id,
            tags=found.tags,
            # The server does not say which model a version is of, but its source does.
            model_id=str(found.source).removeprefix("models:/"),
        )
    return promote(model.value, str(made.version), "the same once more", settings.mlflow).version
