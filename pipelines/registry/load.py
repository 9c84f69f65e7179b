"""Load registered models by version number, through a local cache of their files."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow.artifacts import download_artifacts

from pipelines.contracts import Alias
from pipelines.errors import NotFoundError, RegistryError, TrainingError
from pipelines.learning.predictor import Predictor
from pipelines.registry.client import PREDICTOR_ARTIFACT, connected, registry_client
from pipelines.registry.promote import alias_version


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer, and which version it is."""

    predictor: Predictor
    name: str
    version: str
    alias: str
    run_id: str
    feature_service: str
    dataset_url: str
    watermark: str


def load_champion(name: str, uri: str, cache: Path) -> LoadedModel:
    """Load the version that answers now.

    The alias is resolved once and the version loaded by number, so a promotion in between
    cannot mix two versions.

    Args:
        name: registered model.
        uri: address of the MLflow server.
        cache: folder of downloaded versions.

    Raises:
        NotFoundError: there is no champion.
        RegistryError: the server cannot be reached, or the version's files cannot be read.
    """
    return load_alias(name, Alias.CHAMPION, uri, cache)


def load_alias(name: str, alias: Alias, uri: str, cache: Path) -> LoadedModel:
    """Load the version an alias points to; see `load_champion`.

    Raises:
        NotFoundError: the alias points nowhere.
        RegistryError: the server cannot be reached, or the version's files cannot be read.
    """
    number = alias_version(name, alias, uri)
    if number is None:
        raise NotFoundError(
            f"The registry at {uri} has no {alias.value} of {name}: train and promote one."
        )
    return load_version(name, number, uri, cache, alias=alias.value)


def load_version(name: str, version: str, uri: str, cache: Path, alias: str = "") -> LoadedModel:
    """Load a version by its number.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the server cannot be reached, or the version's files cannot be read.
    """
    with connected(uri):
        found = registry_client(uri).get_model_version(name, version)
        folder = cache / name / f"{version}-{found.run_id}"
        if not folder.is_dir():
            _download(name, version, folder)
    try:
        predictor = Predictor.load(folder)
    except TrainingError as err:
        # Perhaps only the copy is damaged: the next attempt fetches it again.
        shutil.rmtree(folder, ignore_errors=True)
        raise RegistryError(f"Version {version} of {name} cannot be used: {err}") from err
    return LoadedModel(
        predictor=predictor,
        name=name,
        version=version,
        alias=alias,
        run_id=str(found.run_id),
        feature_service=found.tags.get("feature_service", name),
        dataset_url=found.tags.get("dataset_url", ""),
        watermark=found.tags.get("watermark", ""),
    )


def _download(name: str, version: str, folder: Path) -> None:
    """Fetch a version's predictor aside and rename it, so that no half copy is ever loaded."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".download-") as scratch:
        uri = f"models:/{name}/{version}/artifacts/{PREDICTOR_ARTIFACT}"
        fetched = Path(download_artifacts(artifact_uri=uri, dst_path=scratch))
        try:
            fetched.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
