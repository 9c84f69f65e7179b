"""Move the aliases that say which version answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipelines.contracts import Alias
from pipelines.errors import RegistryError
from pipelines.registry.client import MISSING_CODES, connected, registry_client

_PREVIOUS: Final = "previous_champion"
DECISION: Final = "decision"
_PAGE: Final = 1000  # the most that a server gives at once


@dataclass(frozen=True)
class Promotion:
    """A champion that took over, and the version it took over from, if any."""

    name: str
    version: str
    previous_version: str | None


def alias_version(name: str, alias: Alias, uri: str) -> str | None:
    """Return the number of the version an alias points to, None where there is none.

    Raises:
        RegistryError: the server cannot be reached or refuses.
    """
    with connected(uri):
        return _version_of(registry_client(uri), name, alias)


def alias_versions(uri: str) -> dict[str, dict[Alias, str]]:
    """Return by its name, for each registered model, the number of the version of each alias.

    Raises:
        RegistryError: the server cannot be reached or refuses.
    """
    found: dict[str, dict[Alias, str]] = {}
    token: str | None = None
    with connected(uri):
        client = registry_client(uri)
        while True:
            page = client.search_registered_models(max_results=_PAGE, page_token=token)
            found |= {model.name: known_aliases(model.aliases) for model in page}
            token = page.token
            if not token:
                return found


def known_aliases(versions: Mapping[str, str]) -> dict[Alias, str]:
    """Return the versions of the aliases that mean something here; people may have others."""
    return {alias: str(versions[alias.value]) for alias in Alias if alias.value in versions}


def promote(name: str, version: str, reason: str, uri: str) -> Promotion:
    """Make a version champion; the one before it is kept in its tag `previous_champion`.

    Doing it again changes nothing. The alias `challenger` goes where it pointed to this version.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the server cannot be reached or refuses.
    """
    client = registry_client(uri)
    with connected(uri):
        client.get_model_version(name, version)
        previous = _version_of(client, name, Alias.CHAMPION)
        if previous == version:
            tags = client.get_model_version(name, version).tags
            return Promotion(name, version, tags.get(_PREVIOUS))
        if previous is not None:
            client.set_model_version_tag(name, version, _PREVIOUS, previous)
        client.set_model_version_tag(name, version, DECISION, reason)
        client.set_registered_model_alias(name, Alias.CHAMPION.value, version)
        if _version_of(client, name, Alias.CHALLENGER) == version:
            client.delete_registered_model_alias(name, Alias.CHALLENGER.value)
    return Promotion(name, version, previous)


def refuse(name: str, version: str, reason: str, uri: str) -> None:
    """Note on a version why it was not promoted; it stays challenger.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the server cannot be reached or refuses.
    """
    with connected(uri):
        registry_client(uri).set_model_version_tag(name, version, DECISION, reason)


def roll_back(name: str, reason: str, uri: str) -> Promotion:
    """Give the champion's place back to the version it took it from.

    Raises:
        RegistryError: there is no champion, or it had no predecessor.
    """
    client = registry_client(uri)
    with connected(uri):
        current = _version_of(client, name, Alias.CHAMPION)
        if current is None:
            raise RegistryError(f"{name} has no champion to roll back from.")
        previous = client.get_model_version(name, current).tags.get(_PREVIOUS)
        if previous is None:
            raise RegistryError(
                f"Version {current} of {name} is its first champion: there is nothing to roll "
                "back to. Train and promote another version instead."
            )
        client.get_model_version(name, previous)
        client.set_model_version_tag(name, current, DECISION, f"rolled back: {reason}")
        client.set_registered_model_alias(name, Alias.CHAMPION.value, previous)
    return Promotion(name, previous, current)


def _version_of(client: MlflowClient, name: str, alias: Alias) -> str | None:
    try:
        return str(client.get_model_version_by_alias(name, alias.value).version)
    except MlflowException as err:
        # An alias that does not exist is reported as an invalid parameter, not as missing.
        is_unknown_alias = err.error_code == "INVALID_PARAMETER_VALUE" and "not found" in str(
            err.message
        )
        if err.error_code in MISSING_CODES or is_unknown_alias:
            return None
        raise
