"""The models of the comparison, for the bare server, with rows to hand it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from pipelines.contracts import Alias, Model
from pipelines.errors import BenchmarkError
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.predictor import Predictor
from pipelines.registry.load import load_alias
from pipelines.registry.sample import Sample
from pipelines.settings import Settings

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class BareModel:
    """Boosters with the columns each reads, and some finished rows."""

    boosters: Sequence[tuple[lgb.Booster, Sequence[int]]]
    rows: npt.NDArray[np.float64]

    def bodies(self, row_count: int) -> list[bytes]:
        """Return what the bare server is sent for so many rows: each row comes first once."""
        places = (np.arange(row_count) + first for first in range(len(self.rows)))
        return [self.rows[place % len(self.rows)].tobytes() for place in places]

    def write(self, folder: Path) -> None:
        """Write what the bare server reads: a booster and its columns under each number."""
        folder.mkdir(parents=True)
        for number, (booster, columns) in enumerate(self.boosters):
            booster.save_model(folder / f"{number:03}.txt")
            np.save(folder / f"{number:03}.npy", np.array(columns), allow_pickle=False)


@dataclass(frozen=True)
class Champions:
    """What answers now."""

    duration: Predictor
    duration_rows: Sequence[Mapping[str, Any]]
    bare: Mapping[Model, BareModel]


def load_champions(settings: Settings) -> Champions:
    """Load the champions and their samples of rows.

    Raises:
        RegistryError: the registry does not answer, or there is no champion.
        BenchmarkError: a champion is older than the samples.
    """
    duration, of_duration = _loaded(settings, Model.REMAINING_TIME, Predictor)
    ranker, of_ranker = _loaded(settings, Model.ASSIGNEE, Ranker)
    members = [member for score in duration.scores.values() for member in score.members]
    every = range(len(ranker.names))
    return Champions(
        duration,
        of_duration.rows,
        {
            Model.REMAINING_TIME: BareModel(
                [(member.booster, member.columns) for member in members],
                duration.encoder.matrix(of_duration.frame),
            ),
            Model.ASSIGNEE: BareModel(
                [(booster, every) for booster in ranker.boosters],
                of_ranker.frame[ranker.names].to_numpy(dtype=float),
            ),
        },
    )


def _loaded(settings: Settings, model: Model, kind: type[Kind]) -> tuple[Kind, Sample]:
    found = load_alias(model.value, Alias.CHAMPION, settings.mlflow, settings.model_cache)
    if not isinstance(found.predictor, kind) or found.sample is None:
        raise BenchmarkError(
            f"Version {found.version} of {model} brings no sample of rows: train it anew."
        )
    return found.predictor, found.sample
