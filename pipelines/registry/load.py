"""Load registered models by version number, through a local cache of their files."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow.artifacts import download_artifacts

from pipelines.contracts import Alias, Model
from pipelines.errors import NotFoundError, RegistryError, TrainingError
from pipelines.learning.methods import METHODS
from pipelines.learning.trained import Recommender
from pipelines.registry.client import PREDICTOR_ARTIFACT, connected, registry_client
from pipelines.registry.kept import KeptVersion
from pipelines.registry.promote import alias_version
from pipelines.registry.sample import Sample, read_sample


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer, and which version it is."""

    predictor: Recommender
    name: str
    version: str
    alias: str
    run_id: str
    feature_service: str
    dataset_url: str
    watermark: str
    sample: Sample | None = None  # None of a version made before there were any


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
        ValueError: there is no model of that name.
    """
    with connected(uri):
        found = registry_client(uri).get_model_version(name, version)
        folder = _folder(cache, name, version, str(found.run_id))
        if not folder.is_dir():
            _download(name, version, folder)
    try:
        predictor, sample = METHODS[Model(name)].load(folder), read_sample(folder)
    except (TrainingError, RegistryError) as err:
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
        sample=sample,
    )


def load_kept(name: str, kept: KeptVersion, cache: Path) -> tuple[Recommender, Sample | None]:
    """Load a version from the cache alone, without the server.

    Raises:
        RegistryError: its files are not there or cannot be read.
    """
    folder = _folder(cache, name, kept.version, kept.run_id)
    try:
        return METHODS[Model(name)].load(folder), read_sample(folder)
    except TrainingError as err:
        raise RegistryError(f"The copy of version {kept.version} of {name}: {err}") from err


def _folder(cache: Path, name: str, version: str, run_id: str) -> Path:
    return cache / name / f"{version}-{run_id}"


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
