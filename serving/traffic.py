"""Which version answers about a workflow: the champion, or for a share of them the challenger.

The share is drawn once for each workflow and model, by a hash, so that a workflow is always
answered by the same version, on every worker and after every restart.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from pipelines.contracts import Alias, Model
from serving.models import LoadedModel
from serving.watch import VersionWatch

_DIGEST_BYTES: Final = 6  # as many as a float tells apart
_WHOLE: Final = 2 ** (8 * _DIGEST_BYTES)


class Variant(StrEnum):
    """In what part a version computed an answer."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"  # the challenger's, that nobody was shown
    WHAT_IF = "what_if"  # of features that whoever asked had changed


@dataclass(frozen=True)
class Choice:
    """The version that answers, and the probability with which it was chosen for a workflow."""

    loaded: LoadedModel
    variant: Variant
    propensity: float | None  # None: it stood in for another


def place(model: Model, workflow_id: str) -> float:
    """Return a workflow's place in [0, 1), even over workflows and independent between models."""
    digest = blake2b(
        workflow_id.encode(errors="surrogatepass"),
        digest_size=_DIGEST_BYTES,
        key=model.value.encode(),
    ).digest()
    return int.from_bytes(digest, "big") / _WHOLE


class Traffic:
    """Choose versions for workflows."""

    def __init__(
        self,
        watch: VersionWatch,
        challenger_ratio: Mapping[Model, float],
        shadowed: Set[Model],
    ) -> None:
        self._watch = watch
        self._ratio = challenger_ratio
        self._shadowed = shadowed

    def choose(self, model: Model, workflow_ids: Sequence[str]) -> list[tuple[Choice, list[int]]]:
        """Return each version that answers, and the positions of the workflows it answers about.

        Raises:
            NoChampionError: there is no champion; says why and what to do.
        """
        champion = self._watch.champion(model)
        ratio = self._ratio.get(model, 0.0)
        challenger = self._watch.loaded(model, Alias.CHALLENGER) if ratio else None
        if challenger is None:
            everything = list(range(len(workflow_ids)))
            return [(Choice(champion, Variant.CHAMPION, 1.0), everything)]
        drawn = [place(model, workflow_id) < ratio for workflow_id in workflow_ids]
        parts = (
            (Choice(champion, Variant.CHAMPION, 1 - ratio), False),
            (Choice(challenger, Variant.CHALLENGER, ratio), True),
        )
        return [
            (choice, positions)
            for choice, is_drawn in parts
            if (positions := [i for i, is_it in enumerate(drawn) if is_it == is_drawn])
        ]

    def ratio(self, model: Model, alias: Alias) -> float:
        """Return the share of workflows that an alias answers now."""
        is_there = self._watch.loaded(model, Alias.CHALLENGER) is not None
        drawn = self._ratio.get(model, 0.0) if is_there else 0.0
        return drawn if alias is Alias.CHALLENGER else 1 - drawn

    def shadow(self, model: Model) -> Choice | None:
        """Return the version that answers in the champion's shadow, if there is one.

        Nobody is shown its answers, so its propensity is 0.
        """
        if model not in self._shadowed:
            return None
        challenger = self._watch.loaded(model, Alias.CHALLENGER)
        return None if challenger is None else Choice(challenger, Variant.SHADOW, 0.0)
