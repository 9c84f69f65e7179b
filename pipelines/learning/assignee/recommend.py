"""Answer who should go on with a workflow, from a history and a trained ranker."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.assignee.candidates import MOST_CANDIDATES, eligible_people, nominate
from pipelines.learning.assignee.coded_log import Ints, Mask, Values, code_log
from pipelines.learning.assignee.handovers import Vectors
from pipelines.learning.assignee.ledger import Ledger
from pipelines.learning.assignee.pairs import Matrix
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.rerank import share_load
from pipelines.learning.columns import AS_OF, require_columns


@dataclass(frozen=True)
class Known:
    """What was known at a moment: codes of people (in order) and workflows, and the ledger."""

    as_of: datetime
    people: list[str]
    workflows: Mapping[str, int]
    ledger: Ledger


def replay(events: pd.DataFrame, as_of: datetime) -> Known:
    """Learn all events by a moment, later ones are not looked at; one replay serves many questions.

    Args:
        events: see `code_log`.
        as_of: the moment, aware of its zone.

    Raises:
        TrainingError: see `code_log`.
    """
    require_columns(events, [AS_OF], "events")
    log = code_log(events[events[AS_OF] <= as_of])
    ledger = Ledger()
    for event in log.events:
        ledger.learn(event)
    workflows = {name: code for code, name in enumerate(log.workflows)}
    return Known(as_of, log.people, workflows, ledger)


def recommend(
    ranker: Ranker,
    known: Known,
    workflow_id: str,
    *,
    excluded: Collection[str] = (),
    roster: Collection[str] | None = None,
    load_strength: float = 0.0,
) -> pd.DataFrame:
    """Rank who should go on with a workflow, the one who did its last event left out.

    A new activity is answered by what people do in general, new people of the roster by what
    holds for everyone.

    Args:
        ranker: trained on such events.
        known: what was known at the moment of asking.
        workflow_id: a workflow with an event by then.
        excluded: who must not be proposed.
        roster: who may be proposed, people never met included; None is everyone met.
        load_strength: see `share_load`.

    Returns:
        person_id, score, held_workflow_count, is_known (met before); the best first.

    Raises:
        TrainingError: the workflow has no event by then, or the ranker reads other features.
    """
    if workflow_id not in known.workflows:
        raise TrainingError(f"Workflow {workflow_id!r} has no event by {known.as_of.isoformat()}.")
    new = sorted(set(roster or ()) - set(known.people))
    people = [*known.people, *new]
    code = {person: number for number, person in enumerate(people)}
    question = known.ledger.question(
        known.workflows[workflow_id], known.as_of.timestamp(), len(new)
    )
    vectors = known.ledger.features(question)
    if list(vectors) != ranker.names:
        raise TrainingError("The ranker reads other features than these: train anew.")
    may = eligible_people(
        len(people),
        [question.person, *(code[one] for one in excluded if one in code)],
        None if roster is None else [code[one] for one in roster],
    )
    load = load_of(vectors)
    candidates = nominated(ranker, vectors, may, MOST_CANDIDATES, load=load)
    (ranked,) = rank_people(ranker, [candidates], [load_strength])
    return pd.DataFrame(
        {
            "person_id": [people[one] for one in ranked.people],
            "score": ranked.scores,
            "held_workflow_count": ranked.column("held_workflow_count"),
            "is_known": ranked.people < len(known.people),
        }
    )


@dataclass(frozen=True)
class Ranked:
    """Candidates by code, the best first, with their scores and features (one row each)."""

    people: Ints
    scores: Values
    matrix: Matrix
    names: list[str]

    def column(self, name: str) -> Values:
        """Return one feature of the candidates."""
        return self.matrix[:, self.names.index(name)].astype(np.float64)

    @property
    def means(self) -> dict[str, float]:
        """Each feature's mean over the candidates of whom it is known; NaN where of nobody."""
        known_count = (~np.isnan(self.matrix)).sum(axis=0)
        nowhere = np.full(len(self.names), np.nan)
        total = np.nansum(self.matrix, axis=0)
        means = np.divide(total, known_count, nowhere, where=known_count > 0)
        return dict(zip(self.names, means.tolist(), strict=True))


def load_of(vectors: Vectors) -> str:
    """Return which feature is the load: tasks, or workflows where no task is known to be held."""
    tasks = vectors.get("held_task_count")
    return "held_workflow_count" if tasks is None or not tasks.any() else "held_task_count"


@dataclass(frozen=True)
class Nominated:
    """The candidates for one task by code, not ranked yet: features (one row each) and load."""

    people: Ints
    matrix: Matrix
    held_count: Values


def nominated(
    ranker: Ranker, vectors: Vectors, may: Mask, most_candidates: int, *, load: str
) -> Nominated:
    """Nominate who is ranked.

    Args:
        ranker: its features must be among the vectors.
        vectors: `Ledger.features` of the question.
        may: who may be proposed at all.
        most_candidates: see `nominate`.
        load: the feature that is the load, see `load_of`.

    Raises:
        TrainingError: the ranker reads a feature there is not.
    """
    missing = [name for name in ranker.names if name not in vectors]
    if missing:
        raise TrainingError(
            f"The ranker reads features that there are not: {', '.join(missing)}. Train anew."
        )
    people = nominate(vectors, may, most_candidates)
    matrix = np.array([vectors[name][people] for name in ranker.names], dtype=np.float32).T
    return Nominated(people, matrix, vectors[load][people])


def rank_people(
    ranker: Ranker, each: Sequence[Nominated], load_strengths: Sequence[float]
) -> list[Ranked]:
    """Score and order the candidates for some tasks; of equal scores the lower code comes first.

    Args:
        ranker: scores them all at once, which costs little more than those for one task.
        each: the candidates for each task.
        load_strengths: see `share_load`, for each task.
    """
    if not each:
        return []
    scores = ranker.scores(np.concatenate([one.matrix for one in each]))
    of_each = np.split(scores, np.cumsum([len(one.people) for one in each])[:-1])
    ranked = []
    for one, of_one, strength in zip(each, of_each, load_strengths, strict=True):
        one_question = np.zeros(len(one.people), dtype=np.int64)
        shared = share_load(of_one, one_question, one.held_count, strength)
        order = np.argsort(-shared, kind="stable")
        ranked.append(Ranked(one.people[order], shared[order], one.matrix[order], ranker.names))
    return ranked
