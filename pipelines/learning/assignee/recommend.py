"""Answer who should go on with a workflow, from a history and a trained ranker."""

from collections.abc import Collection
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.errors import TrainingError
from pipelines.learning.assignee.candidates import eligible_people, nominate
from pipelines.learning.assignee.coded_log import code_log
from pipelines.learning.assignee.ledger import Ledger
from pipelines.learning.assignee.ranker import Ranker
from pipelines.learning.assignee.rerank import share_load
from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns


def recommend(
    ranker: Ranker,
    events: pd.DataFrame,
    workflow_id: str,
    as_of: datetime,
    *,
    excluded: Collection[str] = (),
    roster: Collection[str] | None = None,
    load_strength: float = 0.0,
) -> pd.DataFrame:
    """Rank who should go on with a workflow; later events than `as_of` are not looked at.

    A new activity is answered by what people do in general, new people of the roster by what
    holds for everyone: they come after those with experience, unless these are overloaded.

    Args:
        ranker: trained on such events.
        events: see `code_log`.
        workflow_id: the workflow; someone is present in it already, and is not proposed.
        as_of: the moment, aware of its zone.
        excluded: who must not be proposed.
        roster: who may be proposed, people never met included; None is everyone met.
        load_strength: see `share_load`.

    Returns:
        person_id, score, held_workflow_count, is_known (met before); the best first.

    Raises:
        TrainingError: the workflow has no event by then, or the ranker reads other features.
    """
    require_columns(events, [WORKFLOW_ID, AS_OF], "events")
    past = events[events[AS_OF] <= as_of]
    if not (past[WORKFLOW_ID] == workflow_id).any():
        raise TrainingError(f"Workflow {workflow_id!r} has no event by {as_of.isoformat()}.")
    log = code_log(past)
    ledger = Ledger()
    for event in log.events:
        ledger.learn(event)
    people = [*log.people, *sorted(set(roster or ()) - set(log.people))]
    code = {person: number for number, person in enumerate(people)}
    is_asked = (past[WORKFLOW_ID] == workflow_id).to_numpy()[log.row]
    workflow = log.events[int(np.argmax(is_asked))].workflow
    question = ledger.question(workflow, as_of.timestamp(), len(people) - len(log.people))
    vectors = ledger.features(question)
    if list(vectors) != ranker.names:
        raise TrainingError("The ranker reads other features than these: train anew.")
    may = eligible_people(
        len(people),
        question.person,
        [code[one] for one in excluded if one in code],
        None if roster is None else [code[one] for one in roster],
    )
    chosen = nominate(vectors, may)
    matrix = np.array([values[chosen] for values in vectors.values()], dtype=np.float32).T
    held = vectors["held_workflow_count"][chosen]
    scores = ranker.scores(matrix) if len(chosen) else np.zeros(0)
    scores = share_load(scores, np.zeros(len(chosen), dtype=np.int64), held, load_strength)
    ranked = pd.DataFrame(
        {
            "person_id": [people[one] for one in chosen],
            "score": scores,
            "held_workflow_count": held,
            "is_known": chosen < len(log.people),
        }
    )
    return ranked.sort_values("score", ascending=False, kind="stable", ignore_index=True)
