"""What a serving process knows of a history, and its answer to who should take a task."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.assignee.candidates import eligible_people
from pipelines.learning.assignee.coded_log import NONE
from pipelines.learning.assignee.follow_history import HistoryFollower, history_events
from pipelines.learning.assignee.handovers import DAY_S
from pipelines.learning.assignee.question import Question
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.reasons import RECENT_DAYS, Candidate, reasons
from pipelines.learning.assignee.recommend import Ranked, rank_people
from pipelines.learning.assignee.takings import EVENT_COLUMNS, WORKFLOW_COLUMNS
from pipelines.learning.assignee.task_pairs import MOST_TASK_CANDIDATES
from pipelines.learning.columns import require_columns

SHOWN: Final = 5


@dataclass(frozen=True)
class Recommendation:
    """A person for a task; `probability` is the share among all candidates, by the score."""

    person_id: str
    score: float
    probability: float
    held_task_count: int
    held_workflow_count: int
    reasons: tuple[str, ...]
    is_known: bool  # took a task before


class AssigneeState:
    """A history replayed once, which then advances by new events only.

    Any number of threads may ask while one advances: a lock is held for one event or for the
    features of one question, not for the scoring.
    """

    def __init__(self, task_events: pd.DataFrame, workflows: pd.DataFrame) -> None:
        self._lock = Lock()
        self._follower = HistoryFollower()
        self.advance(task_events, workflows)

    @property
    def people(self) -> Collection[str]:
        """Everyone who took a task so far."""
        return self._follower.people.names

    @property
    def activities(self) -> Collection[str]:
        """Activities of the tasks taken so far."""
        return self._follower.activities.codes

    @property
    def workflows(self) -> Collection[str]:
        """Workflows of which something is known."""
        return self._follower.workflows.codes

    def advance(self, task_events: pd.DataFrame, workflows: pd.DataFrame) -> None:
        """Take in new events and workflows, of the history's columns; old ones change nothing.

        Raises:
            TrainingError: a column is missing.
        """
        require_columns(task_events, EVENT_COLUMNS, "task events")
        require_columns(workflows, WORKFLOW_COLUMNS, "workflows")
        with self._lock:
            self._follower.tell_workflows(workflows)
        for event in history_events(task_events):
            with self._lock:
                self._follower.read(event)

    def recommend(
        self,
        ranker: Ranker,
        workflow_id: str,
        task_activity: str,
        as_of: datetime,
        *,
        team_id: str | None = None,
        person_ids: Collection[str] | None = None,
        excluded: Collection[str] = (),
        count: int = SHOWN,
        load_strength: float = 0.0,
    ) -> list[Recommendation]:
        """Say who should take a task, the best first.

        A workflow, an activity or people never met are answered by what is known of the rest.

        Args:
            ranker: trained by `train`.
            workflow_id: the task's.
            task_activity: the task's.
            as_of: the moment of asking, aware of its zone; not before the last event.
            team_id: the team that the task is for, if that is known.
            person_ids: who may be proposed; None is everyone who took a task so far.
            excluded: who must not be proposed.
            count: how many to return at most.
            load_strength: see `share_load`.

        Raises:
            TrainingError: the ranker reads a feature there is not.
        """
        follower, asked_names = self._follower, {*(person_ids or ()), *excluded}
        with self._lock:
            known = follower.people.names[:]
            code = {name: follower.people.get(name) for name in asked_names}
            new = sorted(name for name in person_ids or () if code[name] == NONE)
            code |= {name: len(known) + number for number, name in enumerate(dict.fromkeys(new))}
            people = [*known, *dict.fromkeys(new)]
            if not people:
                return []
            asked = follower.asked(workflow_id, task_activity, team_id, as_of.timestamp())
            question = follower.ledger.task_question(asked, len(people) - len(known))
            vectors = follower.ledger.features(question)
        may = eligible_people(
            len(people),
            [code[name] for name in excluded if code[name] != NONE],
            None if person_ids is None else [code[name] for name in person_ids],
        )
        ranked = rank_people(ranker, vectors, may, MOST_TASK_CANDIDATES, load_strength)
        if not len(ranked.people):
            return []
        first, means = ranked.matrix[:count], ranked.matrix.mean(axis=0).tolist()
        mean = dict(zip(ranked.names, means, strict=True))
        shares = np.exp(ranked.scores - ranked.scores.max())
        contributions = ranker.contributions(first)
        return [
            Recommendation(
                person_id=people[person],
                score=float(ranked.scores[place]),
                probability=float(shares[place] / shares.sum()),
                held_task_count=int(vectors["held_task_count"][person]),
                held_workflow_count=int(vectors["held_workflow_count"][person]),
                reasons=reasons(
                    self._candidate(ranked, place, mean, question), contributions[place]
                ),
                is_known=person < len(known),
            )
            for place, person in enumerate(ranked.people[:count].tolist())
        ]

    def _candidate(
        self, ranked: Ranked, place: int, means: Mapping[str, float], question: Question
    ) -> Candidate:
        person, diary = int(ranked.people[place]), self._follower.diary
        since_s = question.now_s - RECENT_DAYS * DAY_S
        with self._lock:
            taken_count = diary.taken_count(question.task_activity, person, since_s)
            handover_count = diary.handover_count(question.person, person)
        return Candidate(
            dict(zip(ranked.names, ranked.matrix[place].tolist(), strict=True)),
            means,
            taken_count,
            handover_count,
        )
