"""Mine templates where a log has none: the frequent, successful ways that workflows went."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.columns import WORKFLOW_ID, require_columns

Steps = tuple[str, ...]

_LEAST_SUPPORT: Final = 10  # workflows
_LEAST_SUPPORT_RATIO: Final = 0.01
_MOST_VARIANTS: Final = 20
_LEAST_SUCCESS: Final = 0.5  # of the success ratio of all workflows
_LEAST_SIMILARITY: Final = 0.5


@dataclass(frozen=True)
class Variants:
    """Mined templates: the steps of each by its name, the most frequent first."""

    steps: Mapping[str, Steps]

    @classmethod
    def mine(cls, sequences: pd.Series, is_late: pd.Series) -> Self:
        """Keep the variants that are frequent and not unsuccessful, 20 at most.

        A variant needs 1 % of the workflows and ten, and half of all workflows' share in time.

        Args:
            sequences: what `activity_sequences` returned for ended workflows.
            is_late: by workflow_id, whether each of them was late.

        Raises:
            TrainingError: no variant is frequent enough.
        """
        in_time = 1 - is_late.reindex(sequences.index).astype(float)
        counts: Counter[Steps] = Counter(sequences)
        in_time_counts: defaultdict[Steps, float] = defaultdict(float)
        for steps, value in zip(sequences, in_time, strict=True):
            in_time_counts[steps] += value
        support = max(_LEAST_SUPPORT, _LEAST_SUPPORT_RATIO * len(sequences))
        kept = [
            (-count, steps)
            for steps, count in counts.items()
            if count >= support
            and in_time_counts[steps] >= _LEAST_SUCCESS * float(in_time.mean()) * count
        ]
        if not kept:
            raise TrainingError(
                f"None of {len(counts)} variants of {len(sequences)} workflows has "
                f"{support:.0f} of them: there is no template to suggest. Import a longer history "
                "or map a column that names the template."
            )
        chosen = sorted(kept)[:_MOST_VARIANTS]
        width = len(str(len(chosen)))
        return cls({f"variant-{i:0{width}}": steps for i, (_, steps) in enumerate(chosen, start=1)})

    def assign(self, sequences: pd.Series) -> pd.Series:
        """Return the template each sequence is most like; None where it is like none.

        Likeness is the Jaccard index of the multisets of successive activities, of which half
        is needed; of equally like templates it is the more frequent one.
        """
        followers = {name: _followers(steps) for name, steps in self.steps.items()}
        answers = {steps: _nearest(_followers(steps), followers) for steps in sequences.unique()}
        return sequences.map(answers.get).astype(object).where(lambda one: one.notna(), None)

    def to_spec(self) -> dict[str, Sequence[str]]:
        """Return the templates as plain data for JSON."""
        return dict(self.steps)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read the templates back from `to_spec`'s data."""
        return cls({name: tuple(steps) for name, steps in spec.items()})


def activity_sequences(task_events: pd.DataFrame) -> pd.Series:
    """Return by workflow_id the activities of its tasks in order, repeats in a row told once.

    Args:
        task_events: workflow_id, task_id, activity, occurred_at and sequence; a task stands
            where its first event does.

    Raises:
        TrainingError: a column is missing.
    """
    needed = (WORKFLOW_ID, "task_id", "activity", "occurred_at", "sequence")
    require_columns(task_events, needed, "task events")
    in_order = task_events.sort_values([WORKFLOW_ID, "occurred_at", "sequence"], kind="stable")
    tasks = in_order.drop_duplicates("task_id")
    is_new = tasks["activity"].ne(tasks.groupby(WORKFLOW_ID, sort=False)["activity"].shift())
    return tasks[is_new].groupby(WORKFLOW_ID)["activity"].agg(tuple)


def _followers(steps: Steps) -> Counter[tuple[str | None, str | None]]:
    return Counter(pairwise((None, *steps, None)))


def _nearest(
    of: Counter[tuple[str | None, str | None]],
    templates: Mapping[str, Counter[tuple[str | None, str | None]]],
) -> str | None:
    likeness = {name: (of & one).total() / (of | one).total() for name, one in templates.items()}
    best = max(likeness, key=lambda name: likeness[name])
    return best if likeness[best] >= _LEAST_SIMILARITY else None
