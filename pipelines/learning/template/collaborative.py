"""Templates of clients who ask for the same things: matrix factorisation of client counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from implicit.als import AlternatingLeastSquares  # type: ignore[import-untyped]
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.learning.ranking import UNKNOWN

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_MOST_FACTORS: Final = 16
_ITERATIONS: Final = 20
_FILE: Final = "collaborative.npz"


@dataclass(frozen=True)
class Collaborative:
    """Factors of clients and templates; a client that training did not know asks as all do.

    The method is that of Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback
    datasets" (ICDM, 2008).
    """

    clients: tuple[str, ...]
    client_factors: Values
    template_factors: Values
    popularity: Values  # share of each template

    @classmethod
    def fit(
        cls,
        client_ids: pd.Series,
        templates: Codes,
        template_count: int,
        regularisation: float,
        seed: int,
    ) -> Self:
        """Factorise how often each client had each template.

        Args:
            client_ids: of the training workflows; missing where there is none.
            templates: (workflows,) position of each one's template.
            template_count: templates in all.
            regularisation: the larger, the more every client is like all of them.
            seed: of the first factors.
        """
        popularity = np.bincount(templates, minlength=template_count) / max(len(templates), 1)
        clients, names = pd.factorize(client_ids, sort=True)
        is_known = clients != UNKNOWN
        if not is_known.any():
            nothing = np.zeros((0, 1)), np.zeros((template_count, 1))
            return cls((), *nothing, popularity)
        cells = (np.ones(is_known.sum()), (clients[is_known], templates[is_known]))
        counts = csr_matrix(cells, (len(names), template_count), dtype=np.float32)
        factors = min(_MOST_FACTORS, template_count)
        # Threads of the linear algebra below only get in each other's way, and the fit warns of it.
        with threadpool_limits(1, "blas"):
            als = AlternatingLeastSquares(
                factors,
                regularization=regularisation,
                iterations=_ITERATIONS,
                random_state=seed % 2**31,
                num_threads=1,
                use_gpu=False,
            )
            als.fit(counts, show_progress=False)
        return cls(
            tuple(str(name) for name in names),
            np.asarray(als.user_factors, dtype=np.float64),
            np.asarray(als.item_factors, dtype=np.float64),
            popularity,
        )

    def scores(self, client_ids: Iterable[object]) -> Values:
        """Return (workflows, templates); a row is comparable in itself only."""
        place = np.array([self._places.get(one, UNKNOWN) for one in client_ids], dtype=np.int64)
        result = np.tile(self.popularity, (len(place), 1))
        is_known = place != UNKNOWN
        result[is_known] = self.client_factors[place[is_known]] @ self.template_factors.T
        return result

    @cached_property
    def _places(self) -> dict[object, int]:
        return {client: place for place, client in enumerate(self.clients)}

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the factors into a folder; return what `load` needs besides."""
        np.savez(
            folder / _FILE,
            client_factors=self.client_factors,
            template_factors=self.template_factors,
            popularity=self.popularity,
        )
        return {"clients": list(self.clients)}

    @classmethod
    def load(cls, folder: Path, spec: dict[str, Any]) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError, KeyError, ValueError: the file or a part of the spec is missing or broken.
        """
        with np.load(folder / _FILE, allow_pickle=False) as arrays:
            return cls(tuple(spec["clients"]), **{name: arrays[name] for name in arrays.files})
