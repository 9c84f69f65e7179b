"""What a model version is to the service, and what the service needs of the registry."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Protocol

import pandas as pd

from pipelines.contracts import Alias, Model
from pipelines.learning.encode import Encoder
from pipelines.learning.predictor import Values
from pipelines.registry.sample import Sample

# Thresholds of the three generations, once what is loaded has been frozen.
_THRESHOLDS: Final = (50_000, 20, 100)


class Predicts(Protocol):
    """What a loaded model can do; `pipelines.learning.predictor.Predictor` is one."""

    @property
    def encoder(self) -> Encoder:
        """How a row becomes numbers."""

    @property
    def input_columns(self) -> list[str]:
        """Columns that a row must have."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Answer each row."""

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Values]:
        """Answer a few rows; a column of answers for each name."""

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give each feature's signed share in each row's answer."""

    def explained_rows(
        self, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[Mapping[str, Values], Values]:
        """Answer a few rows, and give each feature's signed share: (rows, features)."""


@dataclass(frozen=True)
class Candidate:
    """A version that was read into memory and has not been checked yet."""

    version: str
    run_id: str
    predictor: Any  # what `METHODS[model].load` gives
    sample: Sample | None


class Registry(Protocol):
    """What the watch needs of the model registry, and of its copy on disk."""

    def aliases(self) -> Mapping[Model, Mapping[Alias, str]]:
        """Return each model's version of each alias; raise a WorkcastError without the server."""

    def load(self, model: Model, version: str) -> Candidate:
        """Load one version."""

    def kept(self, model: Model, alias: Alias) -> Candidate | None:
        """Load the version that the alias named last from the disk, or None."""

    def keep(self, model: Model, alias: Alias, candidate: Candidate) -> None:
        """Remember on disk that the alias names this version."""

    def forget(self, model: Model, alias: Alias) -> None:
        """Remember on disk that the alias names none."""


@dataclass(frozen=True)
class LoadedModel:
    """One version in memory, checked and warmed up."""

    name: Model
    version: str
    alias: Alias
    predictor: Any  # what `METHODS[name].load` gives
    loaded_at: datetime
    is_from_disk: bool = False  # the registry was not there to be asked

    @cached_property
    def input_columns(self) -> list[str]:
        """Columns that a row must have; found out once, not at every question."""
        return list(self.predictor.input_columns)


def tame_garbage_collector() -> None:
    """Keep full collections off the requests' path: they walk every loaded library."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
