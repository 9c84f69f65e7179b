"""Answer who should go on with a workflow, from a history and a trained ranker."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.assignee.candidates import eligible_people, nominate
from pipelines.learning.assignee.coded_log import code_log
from pipelines.learning.assignee.ledger import Ledger
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
    chosen = nominate(vectors, may)
    matrix = np.array([values[chosen] for values in vectors.values()], dtype=np.float32).T
    held_count = vectors["held_workflow_count"][chosen]
    scores = ranker.scores(matrix) if len(chosen) else np.zeros(0)
    one_question = np.zeros(len(chosen), dtype=np.int64)
    ranked = pd.DataFrame(
        {
            "person_id": [people[one] for one in chosen],
            "score": share_load(scores, one_question, held_count, load_strength),
            "held_workflow_count": held_count,
            "is_known": chosen < len(known.people),
        }
    )
    return ranked.sort_values("score", ascending=False, kind="stable", ignore_index=True)
