"""What is known of running workflows at their last events: the last rows of `prefix_features`.

Pandas takes ten milliseconds for the few events of one workflow; whoever asks about it waits.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

import pandas as pd

from pipelines.learning.columns import AS_OF, WORKFLOW_ID, require_columns
from pipelines.learning.next_activity.prefixes import (
    AT_OPENING,
    LAST_ACTIVITIES,
    OF_EVENT,
    PERSON_COUNT,
)

Row = Mapping[Any, Any]


def last_prefixes(events: pd.DataFrame) -> pd.DataFrame:
    """Return the last row of each workflow that `prefix_features` has, in its columns.

    Args:
        events: see `prefix_features`.

    Raises:
        TrainingError: a column is missing.
    """
    require_columns(events, (WORKFLOW_ID, AS_OF, "activity"), "events")
    by_workflow = groupby(events.to_dict("records"), key=lambda event: event[WORKFLOW_ID])
    return pd.DataFrame([last_prefix(list(of_workflow)) for _, of_workflow in by_workflow])


def last_prefix(events: Sequence[Row]) -> dict[str, Any]:
    """Return the row of one workflow that `last_prefixes` has, without pandas.

    Args:
        events: one or more, as `prefix_features` reads them, in order of time.
    """
    latest = events[::-1]
    last, as_of = latest[0], latest[0][AS_OF]
    activities = [event["activity"] for event in latest]
    counts = Counter(activities)
    columns = {
        WORKFLOW_ID: last[WORKFLOW_ID],
        AS_OF: as_of,
        **{name: _at(activities, i) for i, name in enumerate(LAST_ACTIVITIES)},
        "position": len(events),
        "repeat_count": sum(1 for _ in takewhile(activities[0].__eq__, activities)),
        "distinct_activity_count": len(counts),
        "activity_counts": json.dumps(counts, sort_keys=True),
        "elapsed_s": (as_of - events[0][AS_OF]).total_seconds(),
        "since_previous_s": _seconds_since(latest, 1),
        "since_before_previous_s": _seconds_since(latest, 2),
        "hour": as_of.hour,
        "weekday": as_of.weekday(),
    }
    if "person_id" in last:
        people = [event["person_id"] for event in latest[:PERSON_COUNT]]
        columns |= {f"person_{i + 1}": _at(people, i) for i in range(PERSON_COUNT)}
    columns |= {column: last[name] for name, column in OF_EVENT.items() if name in last}
    return columns | {name: events[0][name] for name in AT_OPENING if name in last}


def _at(values: Sequence[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _seconds_since(latest: Sequence[Row], place: int) -> float | None:
    if place >= len(latest):
        return None
    seconds: float = (latest[0][AS_OF] - latest[place][AS_OF]).total_seconds()
    return seconds
