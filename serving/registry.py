"""The MLflow registry as the watch needs it."""

from pathlib import Path
from typing import Final

import httpx

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from pipelines.learning.predictor import Predictor
from pipelines.registry.load import load_version
from pipelines.registry.promote import alias_version

_HEALTH_SECONDS: Final = 2.0


class MlflowRegistry:
    """Ask the MLflow server at `uri`; versions are kept as files below `cache`."""

    def __init__(self, uri: str, cache: Path) -> None:
        self._uri = uri
        self._cache = cache

    def version_of(self, model: Model, alias: Alias) -> str | None:
        """Return the version that carries the alias, or None.

        Raises:
            RegistryError: the server does not answer.
        """
        self._check()
        return alias_version(model.value, alias, self._uri)

    def load(self, model: Model, version: str) -> Predictor:
        """Load one version.

        Raises:
            NotFoundError: there is no such version.
            RegistryError: its files cannot be read.
        """
        predictor = load_version(model.value, version, self._uri, self._cache).predictor
        if not isinstance(predictor, Predictor):
            raise RegistryError(f"Version {version} of {model} answers no feature rows.")
        return predictor

    def _check(self) -> None:
        """Fail at once where MLflow's own client would try again for minutes."""
        try:
            httpx.get(f"{self._uri}/health", timeout=_HEALTH_SECONDS).raise_for_status()
        except httpx.HTTPError as err:
            raise RegistryError(
                f"MLflow at {self._uri} does not answer ({err}); start the platform, or check "
                "WORKCAST_MLFLOW_URL."
            ) from err
