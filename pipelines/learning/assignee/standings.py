"""Who may take a task, ranked: some tasks at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from pipelines.learning.assignee.coded_log import Values
from pipelines.learning.assignee.question import Question
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.recommend import Nominated, Ranked, rank_people
from pipelines.learning.assignee.what_if import Overrides


@dataclass(frozen=True)
class Candidates:
    """Who may be proposed for a task, in no order; people by code."""

    person_ids: Sequence[str]  # of all people, whose codes are their places here
    known_count: int  # of those people; the others never took a task
    held_task_counts: Values
    held_workflow_counts: Values
    nominated: Nominated
    question: Question
    load_strength: float
    overrides: Overrides


@dataclass(frozen=True)
class Standings:
    """Who may be proposed for a task, the best first; what is known of each stands in its place."""

    person_ids: Sequence[str]
    is_known: Sequence[bool]
    held_task_counts: Sequence[int]
    held_workflow_counts: Sequence[int]
    ranked: Ranked
    question: Question
    overrides: Overrides = field(default_factory=dict)

    @classmethod
    def of(cls, candidates: Candidates, ranked: Ranked) -> Self:
        """Return the candidates in their order."""
        people = ranked.people
        return cls(
            [candidates.person_ids[person] for person in people.tolist()],
            (people < candidates.known_count).tolist(),
            candidates.held_task_counts[people].astype(int).tolist(),
            candidates.held_workflow_counts[people].astype(int).tolist(),
            ranked,
            candidates.question,
            candidates.overrides,
        )

    def __len__(self) -> int:
        """How many were ranked."""
        return len(self.person_ids)


def standings_of(ranker: Ranker, each: Sequence[Candidates]) -> list[Standings]:
    """Rank the candidates for some tasks at once, without reasons."""
    nominees = [one.nominated for one in each]
    ranked = rank_people(ranker, nominees, [one.load_strength for one in each])
    return [Standings.of(*of) for of in zip(each, ranked, strict=True)]
