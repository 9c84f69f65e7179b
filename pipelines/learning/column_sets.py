"""Nested sets of columns: from what a workflow itself tells to what only the organisation does.

How much work was open when tells a tree what day it is: the counts of a growing history rise
week by week, and a tree that learned the weeks by heart has never seen the next one. Yet where
queues are what delays work, the same counts are the best features there are. Only later
workflows can tell the two apart, so the choice is made on them.
"""

from typing import Final

from pipelines.contracts import FeatureView
from pipelines.learning.columns import base_name
from pipelines.learning.encode import Encoder

OWN_HISTORY: Final = "own history"
LOADS: Final = "+ loads of people and teams"
ACTIVITIES: Final = "+ activity volumes and times"
EVERYTHING: Final = "+ company-wide counts"
SETS: Final = (OWN_HISTORY, LOADS, ACTIVITIES, EVERYTHING)

_COMPANY_COUNTS: Final = frozenset(
    {"open_workflow_count", "opened_workflow_count_7d", "closed_workflow_count_7d"}
)
_ACTIVITY_VIEW: Final = f"{FeatureView.ACTIVITY_STATS.value}__"
_LOAD_VIEWS: Final = tuple(
    f"{view.value}__"
    for view in (FeatureView.PERSON_WORKLOAD, FeatureView.PERSON_ACTIVITY, FeatureView.TEAM_LOAD)
)


def column_sets(encoder: Encoder) -> dict[str, tuple[int, ...]]:
    """Return the positions of each set's columns, by the set's name, smallest set first.

    Each set holds the ones before it; a set that adds no column is left out.
    """
    levels = [_level(name) for name in encoder.names]
    return {
        SETS[level]: tuple(i for i, of in enumerate(levels) if of <= level)
        for level in sorted(set(levels))
    }


def _level(name: str) -> int:
    """Return the position of the smallest set that holds a column."""
    if name.startswith(_ACTIVITY_VIEW):
        return SETS.index(EVERYTHING if base_name(name) in _COMPANY_COUNTS else ACTIVITIES)
    return SETS.index(LOADS if name.startswith(_LOAD_VIEWS) else OWN_HISTORY)
