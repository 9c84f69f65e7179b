"""A score of one model: the weighted mean of what a few boosters and forests say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import Matrix
from pipelines.learning.forest import Forest, LeafValues, median_of
from pipelines.learning.single_row import Answer, SingleRow

Values = npt.NDArray[np.float64]

_TEXT: Final = ".txt"
_LEAVES: Final = ".npy"
# As many are answered sooner one by one than by all that `Booster.predict` does around its trees.
_FEW_ROWS: Final = 8
# Of a forest's trees. On 300 workflows of a simulated company, whose risk is half boosters' and
# half a forest's of 200 trees, the five strongest contributions were 87 % those with all when 20
# trees explained, 86 % with 10, in two thirds of the time; the strongest was the same in 87 % and
# 85 %, and of the signs of the five one in a thousand was another.
_EXPLAINING_TREES: Final = 10


@dataclass(frozen=True)
class Member:
    """A booster or, where it has `leaf_values`, a forest; `columns` are those it reads.

    `is_bagged` says that its trees were grown apart, each on a sample: those of any forest.
    """

    booster: lgb.Booster
    columns: tuple[int, ...]
    weight: float = 1.0
    leaf_values: LeafValues | None = None
    is_bagged: bool = False

    def raw(self, matrix: Matrix, threads: int) -> Values:
        """Return its answers in the model's own scale."""
        rows = matrix[:, self._positions]
        few = 0 < len(rows) <= _FEW_ROWS
        if self.leaf_values is not None:
            if few:
                leaves = np.array([self._single_row.predict(row) for row in rows])
                return median_of(self.leaf_values, leaves)
            return Forest(self.booster, self.leaf_values).median(rows, threads)
        if few:
            return np.concatenate([self._single_row.predict(row) for row in rows])
        return np.asarray(self.booster.predict(rows, raw_score=True, num_threads=threads))

    def shares(self, matrix: Matrix) -> Values:
        """Return what each column of the matrix added to each row's answer (SHAP).

        A forest's trees explain its mean, and the first of them what all would: they are draws
        of one kind, deep, and TreeSHAP's time grows with the square of a tree's depth.
        """
        rows = matrix[:, self._positions]
        own = np.asarray(self._explaining.predict(rows, pred_contrib=True, num_threads=1))
        if self.is_bagged:
            # LightGBM explains the sum of the trees; a quantile forest answers from their mean.
            count = self.booster.num_trees()
            shown = self._explaining.num_trees()
            own *= (1 if self.leaf_values is not None else count) / shown
        result = np.zeros(matrix.shape)
        result[:, self._positions] = own[:, :-1]
        return result

    @cached_property
    def _positions(self) -> npt.NDArray[np.intp]:
        return np.array(self.columns, dtype=np.intp)

    @cached_property
    def _explaining(self) -> lgb.Booster:
        """The trees that explain, as a booster of their own.

        To ask a booster for some of its trees changes how many answer others at the same time.
        """
        if not self.is_bagged or self.booster.num_trees() <= _EXPLAINING_TREES:
            return self.booster
        return lgb.Booster(model_str=self.booster.model_to_string(num_iteration=_EXPLAINING_TREES))

    @cached_property
    def _single_row(self) -> SingleRow:
        is_forest = self.leaf_values is not None
        return SingleRow(self.booster, Answer.LEAVES if is_forest else Answer.RAW)


@dataclass(frozen=True)
class Blend:
    """Members whose weights sum to one, or to less: then the rest says zero."""

    members: tuple[Member, ...]

    @classmethod
    def of(cls, booster: lgb.Booster) -> Self:
        """Return a blend of one booster that reads every column."""
        return cls((Member(booster, tuple(range(booster.num_feature()))),))

    def raw(self, matrix: Matrix, threads: int = 1) -> Values:
        """Return the weighted mean of the members' answers, one a row."""
        # Not NumPy's sum: of a single row it would take as long as the trees.
        return sum(
            (one.weight * one.raw(matrix, threads) for one in self.members), np.zeros(len(matrix))
        )

    def shares(self, matrix: Matrix) -> Values:
        """Return what each column of the matrix added to each row's answer: the members' mean."""
        return np.asarray(np.sum([one.weight * one.shares(matrix) for one in self.members], axis=0))

    def contributions(self, matrix: Matrix) -> Values:
        """Return the shares and, last, what is left to the answer: a row sums to it.

        What is left holds the expected value, and such as the way from a forest's mean to its
        median.
        """
        shares = self.shares(matrix)
        return np.column_stack([shares, self.raw(matrix) - shares.sum(axis=1)])

    def save(self, folder: Path, name: str) -> list[dict[str, Any]]:
        """Write the members' files into a folder; return what `load` needs besides."""
        spec = []
        for number, one in enumerate(self.members):
            stem = f"{name}-{number}"
            text = one.booster.model_to_string()
            (folder / (stem + _TEXT)).write_text(text, encoding="utf-8")
            if one.leaf_values is not None:
                np.save(folder / (stem + _LEAVES), one.leaf_values, allow_pickle=False)
            spec.append(
                {
                    "file": stem,
                    "columns": list(one.columns),
                    "weight": one.weight,
                    "is_forest": one.leaf_values is not None,
                    "is_bagged": one.is_bagged,
                }
            )
        return spec

    @classmethod
    def load(cls, folder: Path, spec: Sequence[dict[str, Any]]) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError, KeyError, ValueError: a file or a part of the spec is missing or
                cannot be read.
        """
        return cls(
            tuple(
                Member(
                    lgb.Booster(
                        model_str=(folder / (one["file"] + _TEXT)).read_text(encoding="utf-8")
                    ),
                    tuple(one["columns"]),
                    float(one["weight"]),
                    np.load(folder / (one["file"] + _LEAVES), allow_pickle=False)
                    if one["is_forest"]
                    else None,
                    bool(one.get("is_bagged", one["is_forest"])),
                )
                for one in spec
            )
        )


def trimmed(
    encoder: Encoder, scores: Mapping[str, Blend], keep: str | None = None
) -> tuple[Encoder, dict[str, Blend]]:
    """Leave out of the encoder the columns that no member reads, but for the one to keep."""
    read = {i for score in scores.values() for one in score.members for i in one.columns}
    used = sorted(read | {i for i, name in enumerate(encoder.names) if name == keep})
    place = {column: position for position, column in enumerate(used)}
    return Encoder(tuple(encoder.columns[i] for i in used)), {
        name: Blend(
            tuple(
                replace(one, columns=tuple(place[i] for i in one.columns)) for one in score.members
            )
        )
        for name, score in scores.items()
    }
