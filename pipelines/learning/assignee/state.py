"""What a serving process knows of a history, and its answer to who should take a task."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

import numpy as np
import pandas as pd

from pipelines.learning.assignee.candidates import eligible_people
from pipelines.learning.assignee.coded_log import NONE, Values
from pipelines.learning.assignee.follow_history import HistoryFollower, history_events
from pipelines.learning.assignee.handovers import DAY_S, Vectors
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.reasons import RECENT_DAYS, Candidate, reasons, topic_of
from pipelines.learning.assignee.recommend import load_of, nominated
from pipelines.learning.assignee.standings import Candidates, Standings, standings_of
from pipelines.learning.assignee.takings import EVENT_COLUMNS, WORKFLOW_COLUMNS
from pipelines.learning.assignee.task_pairs import MOST_TASK_CANDIDATES
from pipelines.learning.assignee.what_if import Overrides, by_code, overridden
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
        """Workflows of which an event is known."""
        return self._follower.met_workflows

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
        overrides: Overrides | None = None,
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
            overrides: values of the ranker's features in the place of what is known of those
                who may be proposed. Which load counts does not depend on them.

        Raises:
            TrainingError: the ranker reads a feature there is not; or `overrides` name somebody
                who may not be proposed, or a feature or a value of one that there is not.
        """
        candidates = self.candidates(
            ranker,
            workflow_id,
            task_activity,
            as_of,
            team_id=team_id,
            person_ids=person_ids,
            excluded=excluded,
            load_strength=load_strength,
            overrides=overrides,
        )
        (standings,) = standings_of(ranker, [candidates])
        return self.explained(ranker, [(standings, range(len(standings))[:count])])[0]

    def candidates(
        self,
        ranker: Ranker,
        workflow_id: str,
        task_activity: str,
        as_of: datetime,
        *,
        team_id: str | None = None,
        person_ids: Collection[str] | None = None,
        excluded: Collection[str] = (),
        load_strength: float = 0.0,
        overrides: Overrides | None = None,
    ) -> Candidates:
        """Say who may be proposed for a task, and what is known of them; see `recommend`.

        Raises:
            TrainingError: see `recommend`.
        """
        overrides = overrides or {}
        follower, asked_names = self._follower, {*(person_ids or ()), *excluded, *overrides}
        with self._lock:
            known = follower.people.names[:]
            code = {name: follower.people.get(name) for name in asked_names}
            new = sorted(name for name in person_ids or () if code[name] == NONE)
            code |= {name: len(known) + number for number, name in enumerate(dict.fromkeys(new))}
            people = [*known, *dict.fromkeys(new)]
            asked = follower.asked(workflow_id, task_activity, team_id, as_of.timestamp())
            question = follower.ledger.task_question(asked, len(people) - len(known))
            vectors = follower.ledger.features(question) if people else _of_nobody(ranker)
        may = eligible_people(
            len(people),
            [code[name] for name in excluded if code[name] != NONE],
            None if person_ids is None else [code[name] for name in person_ids],
        )
        load = load_of(vectors)  # a trait of the log: other values do not change which it is
        vectors = overridden(vectors, by_code(overrides, code, may), ranker.names)
        return Candidates(
            people,
            len(known),
            vectors["held_task_count"],
            vectors["held_workflow_count"],
            nominated(ranker, vectors, may, MOST_TASK_CANDIDATES, load=load),
            question,
            load_strength,
            overrides,
        )

    def explained(
        self, ranker: Ranker, chosen: Sequence[tuple[Standings, Sequence[int]]]
    ) -> list[list[Recommendation]]:
        """Say of some tasks why the people at some places stand there, in the order of the places.

        The reasons take longer than all the rest: only who is shown shall be explained.
        """
        rows = [standings.ranked.matrix[list(places)] for standings, places in chosen]
        if not any(map(len, rows)):
            return [[] for _ in chosen]
        contributions = iter(ranker.contributions(np.concatenate(rows)))
        return [
            self._explained(standings, places, [next(contributions) for _ in places])
            for standings, places in chosen
        ]

    def _explained(
        self, standings: Standings, places: Sequence[int], contributions: Sequence[Values]
    ) -> list[Recommendation]:
        if not places:
            return []
        ranked = standings.ranked
        means = ranked.means
        shares = np.exp(ranked.scores - ranked.scores.max())
        total = shares.sum()
        return [
            Recommendation(
                person_id=standings.person_ids[place],
                score=float(ranked.scores[place]),
                probability=float(shares[place] / total),
                held_task_count=standings.held_task_counts[place],
                held_workflow_count=standings.held_workflow_counts[place],
                reasons=reasons(self._candidate(standings, place, means), of_place),
                is_known=standings.is_known[place],
            )
            for place, of_place in zip(places, contributions, strict=True)
        ]

    def _candidate(self, standings: Standings, place: int, means: Mapping[str, float]) -> Candidate:
        ranked, question = standings.ranked, standings.question
        person, diary = int(ranked.people[place]), self._follower.diary
        since_s = question.now_s - RECENT_DAYS * DAY_S
        with self._lock:
            taken_count = diary.taken_count(question.task_activity, person, since_s)
            handover_count = diary.handover_count(question.person, person)
        # What the diary counts is not told beside features that say otherwise.
        overrides = standings.overrides.get(standings.person_ids[place], {})
        changed = {topic_of(name) for name in overrides}
        return Candidate(
            dict(zip(ranked.names, ranked.matrix[place].tolist(), strict=True)),
            means,
            0 if changed & {"experience", "recency"} else taken_count,
            0 if "handovers" in changed else handover_count,
        )


def _of_nobody(ranker: Ranker) -> Vectors:
    names = (*ranker.names, "held_task_count", "held_workflow_count")
    return {name: np.zeros(0) for name in names}
