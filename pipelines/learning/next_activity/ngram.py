"""Which activity follows the last few ones: counts, smoothed from long contexts to short ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, load_npz, save_npz

Codes = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_NO_ROOM: Final = 2**63


@dataclass(frozen=True)
class Level:
    """Counts of what followed each context of one length; the `keys` of contexts are sorted."""

    keys: Codes
    counts: csr_matrix  # (contexts, classes)


@dataclass(frozen=True)
class NGram:
    """Counts of the classes that follow contexts of 0, 1, … activities.

    A context's shares are drawn towards those of the next shorter one: with `lower_weight`
    observations or, where it is None, with as many as it has different followers (Witten and
    Bell, "The zero-frequency problem", IEEE Transactions on Information Theory, 1991). A tiny
    weight is plain back-off.
    """

    levels: tuple[Level, ...]
    base: int  # above every activity code; contexts are read as numbers of this base
    lower_weight: float | None = None

    @classmethod
    def fit(
        cls,
        contexts: Codes,
        following: Codes,
        class_count: int,
        base: int,
        lower_weight: float | None = None,
    ) -> Self:
        """Count what followed.

        Args:
            contexts: (rows, longest context) activity codes from 0, the last activity first.
                Where there are too many activities for a long context, a shorter one is taken.
            following: (rows,) class that followed.
            class_count: number of classes.
            base: above every code, those of later contexts included.
            lower_weight: see the class.
        """
        levels = []
        for length, of_rows in enumerate(_keys(contexts, base)):
            if base**length >= _NO_ROOM:
                break
            keys, row = np.unique(of_rows, return_inverse=True)
            shape = (len(keys), class_count)
            counts = csr_matrix((np.ones(len(following)), (row, following)), shape)
            levels.append(Level(keys, counts))
        return cls(tuple(levels), base, lower_weight)

    def probabilities(self, contexts: Codes) -> Values:
        """Return (rows, classes) probabilities that sum to one in each row."""
        class_count = self.levels[0].counts.shape[1]
        result = np.full((len(contexts), class_count), 1 / class_count)
        for level, keys in zip(self.levels, _keys(contexts, self.base), strict=False):
            place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            known = level.keys[place] == keys
            if not known.any():  # nor is any longer one
                break
            counts = _dense(level.counts, place[known])
            lower = self.lower_weight
            weight = (counts > 0).sum(axis=1, keepdims=True) if lower is None else lower
            total = counts.sum(axis=1, keepdims=True)
            result[known] = (counts + weight * result[known]) / (total + weight)
        return result

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the counts into a folder; return what `load` needs besides."""
        for length, level in enumerate(self.levels):
            np.save(folder / f"ngram-{length}-keys.npy", level.keys, allow_pickle=False)
            save_npz(folder / f"ngram-{length}-counts.npz", level.counts)
        return {
            "level_count": len(self.levels),
            "base": self.base,
            "lower_weight": self.lower_weight,
        }

    @classmethod
    def load(cls, folder: Path, spec: dict[str, Any]) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError, KeyError, ValueError: a file or a part of the spec is missing or broken.
        """
        levels = tuple(
            Level(
                np.load(folder / f"ngram-{length}-keys.npy", allow_pickle=False),
                csr_matrix(load_npz(folder / f"ngram-{length}-counts.npz")),
            )
            for length in range(spec["level_count"])
        )
        return cls(levels, spec["base"], spec["lower_weight"])


def _dense(counts: csr_matrix, rows: Codes) -> Values:
    """Return rows of counts; of one row, SciPy's own indexing takes four times as long."""
    starts = counts.indptr[rows]
    sizes = counts.indptr[rows + 1] - starts
    ends = sizes.cumsum()
    taken = np.arange(ends[-1] if len(rows) else 0) + np.repeat(starts - ends + sizes, sizes)
    result = np.zeros((len(rows), counts.shape[1]))
    result[np.repeat(np.arange(len(rows)), sizes), counts.indices[taken]] = counts.data[taken]
    return result


def _keys(contexts: Codes, base: int) -> Iterator[Codes]:
    """Yield the keys of contexts of each length: of no activity, the last one, and so on."""
    keys = np.zeros(len(contexts), dtype=np.int64)
    yield keys
    for codes in contexts.T:
        keys = keys * base + codes
        yield keys
