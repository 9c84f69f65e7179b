"""Read back what the registry knows about a version: figures, baselines and the decision."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.contracts import Alias
from pipelines.registry.client import connected, registry_client
from pipelines.registry.promote import DECISION, alias_version


@dataclass(frozen=True)
class VersionFigures:
    """Figures of one version on its test rows, by name; baselines as `baseline_<which>_<name>`."""

    name: str
    version: str
    alias: Alias
    metrics: Mapping[str, float]
    test_period: str
    decision: str  # empty before one was made


def version_figures(name: str, uri: str) -> list[VersionFigures]:
    """Return the figures of a model's champion and challenger, as far as there are any.

    Raises:
        RegistryError: the server cannot be reached or refuses.
    """
    client = registry_client(uri)
    found = []
    for alias in Alias:
        number = alias_version(name, alias, uri)
        if number is None:
            continue
        with connected(uri):
            version = client.get_model_version(name, number)
            run = client.get_run(str(version.run_id))
        found.append(
            VersionFigures(
                name=name,
                version=number,
                alias=alias,
                metrics=dict(run.data.metrics),
                test_period=str(version.tags.get("test_period", "")),
                decision=str(version.tags.get(DECISION, "")),
            )
        )
    return found
