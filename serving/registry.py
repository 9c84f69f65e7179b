"""The MLflow registry as the watch needs it, and its copy on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from pipelines.registry.kept import KeptVersion, forget_version, keep_version, kept_version
from pipelines.registry.load import load_kept, load_version
from pipelines.registry.promote import alias_versions
from serving.models import Candidate

_ANSWER_SECONDS: Final = 2.0


class MlflowRegistry:
    """Ask the MLflow server at `uri`; versions are kept as files below `cache`."""

    def __init__(self, uri: str, cache: Path) -> None:
        self._uri = uri
        self._cache = cache
        # One client: each has a TLS context of its own, which takes long to make and to collect.
        self._http = httpx.Client(timeout=_ANSWER_SECONDS)

    def aliases(self, model: Model) -> Mapping[Alias, str]:
        """Return the version that each alias names.

        Raises:
            RegistryError: the server does not answer.
        """
        self._require_answer()
        return alias_versions(model.value, self._uri)

    def load(self, model: Model, version: str) -> Candidate:
        """Load one version.

        Raises:
            NotFoundError: there is no such version.
            RegistryError: its files cannot be read.
        """
        loaded = load_version(model.value, version, self._uri, self._cache)
        return Candidate(version, loaded.run_id, loaded.predictor, loaded.sample)

    def kept(self, model: Model, alias: Alias) -> Candidate | None:
        """Load the version that the alias named last from the disk; None where none is kept.

        Raises:
            RegistryError: its files are not there any more, or cannot be read.
        """
        kept = kept_version(self._cache, model.value, alias)
        if kept is None:
            return None
        return Candidate(kept.version, kept.run_id, *load_kept(model.value, kept, self._cache))

    def keep(self, model: Model, alias: Alias, candidate: Candidate) -> None:
        """Remember on disk that the alias names this version."""
        kept = KeptVersion(candidate.version, candidate.run_id)
        keep_version(self._cache, model.value, alias, kept)

    def forget(self, model: Model, alias: Alias) -> None:
        """Remember on disk that the alias names none."""
        forget_version(self._cache, model.value, alias)

    def _require_answer(self) -> None:
        """Fail at once where MLflow's own client would try again for minutes.

        Its health says nothing of its database, so something is asked that lies there.
        """
        question = f"{self._uri}/api/2.0/mlflow/registered-models/search"
        try:
            answer = self._http.get(question, params={"max_results": 1})
        except httpx.HTTPError as err:
            raise RegistryError(
                f"MLflow at {self._uri} does not answer ({err}); start the platform, or check "
                "WORKCAST_MLFLOW_URL."
            ) from err
        if answer.is_server_error:  # one that asks who we are is left to the client
            raise RegistryError(
                f"MLflow at {self._uri} answers {answer.status_code}: is its database there?"
            )
