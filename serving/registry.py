"""The MLflow registry as the watch needs it, and its copy on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from pipelines.contracts import Alias, Model
from pipelines.errors import RegistryError
from pipelines.registry.kept import KeptVersion, forget_version, keep_version, kept_version
from pipelines.registry.load import load_kept, load_version
from pipelines.registry.promote import alias_versions, known_aliases
from serving.models import Candidate

_ANSWER_SECONDS: Final = 2.0
_SEARCH: Final = "/api/2.0/mlflow/registered-models/search"
_OURS: Final = "name IN ({})".format(", ".join(f"'{model}'" for model in Model))


class _NamedVersion(BaseModel):
    alias: str
    version: str


class _RegisteredModel(BaseModel):
    name: str
    aliases: list[_NamedVersion] = []


class _Page(BaseModel):
    registered_models: list[_RegisteredModel] = []
    next_page_token: str = ""


class MlflowRegistry:
    """Ask the MLflow server at `uri`; versions are kept as files below `cache`."""

    def __init__(self, uri: str, cache: Path) -> None:
        self._uri = uri
        self._cache = cache
        # One client: each has a TLS context of its own, which takes long to make and to collect.
        self._http = httpx.Client(timeout=_ANSWER_SECONDS)

    def aliases(self) -> Mapping[Model, Mapping[Alias, str]]:
        """Return the version that each alias of each model names, in one request.

        A server that asks who we are, or does not understand the filter, is left to MLflow's own
        client, which has the credentials and lists every model.

        Raises:
            RegistryError: the server does not answer, or with something else.
        """
        listed = self._listed()
        if listed is None:
            listed = alias_versions(self._uri)
        return {model: listed.get(model.value, {}) for model in Model}

    def load(self, model: Model, version: str) -> Candidate:
        """Load one version.

        Raises:
            NotFoundError: there is no such version.
            RegistryError: the server does not answer, or its files cannot be read.
        """
        self._ask(max_results=1)  # MLflow's own client would try for minutes
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

    def _listed(self) -> dict[str, dict[Alias, str]] | None:
        """Return the aliases by the model's name; None where the server wants another question."""
        found: dict[str, dict[Alias, str]] = {}
        question = {"filter": _OURS}
        while True:
            answer = self._ask(**question)
            if not answer.is_success:
                return None
            try:
                page = _Page.model_validate_json(answer.content)
            except ValidationError as err:
                raise RegistryError(
                    f"MLflow at {self._uri} answers with no list of models; check "
                    "WORKCAST_MLFLOW_URL."
                ) from err
            for model in page.registered_models:
                found[model.name] = known_aliases({a.alias: a.version for a in model.aliases})
            if not page.next_page_token:
                return found
            question["page_token"] = page.next_page_token

    def _ask(self, **question: str | int) -> httpx.Response:
        """Search the registered models, and fail at once where there is no answer.

        The server's health says nothing of its database; what is asked here lies there.
        """
        try:
            answer = self._http.get(f"{self._uri}{_SEARCH}", params=question)
        except httpx.HTTPError as err:
            raise RegistryError(
                f"MLflow at {self._uri} does not answer ({err}); start the platform, or check "
                "WORKCAST_MLFLOW_URL."
            ) from err
        if answer.is_server_error:
            raise RegistryError(
                f"MLflow at {self._uri} answers {answer.status_code}: is its database there?"
            )
        return answer
