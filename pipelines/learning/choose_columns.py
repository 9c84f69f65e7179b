"""Choose on the validation rows how much of the organisation's load a model reads.

How much work was open when tells a tree what day it is: the counts of a growing history rise
week by week, and a tree that learned the weeks by heart has never seen the next one. Yet where
queues are what delays work, the same counts are the best features there are. Only later
workflows can tell the two apart, so the choice is made on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipelines.contracts import FeatureView
from pipelines.learning.boosting import BoostingParams, Examples, validation_loss
from pipelines.learning.columns import base_name
from pipelines.learning.encode import Column, Encoder

OWN_HISTORY: Final = "own history"
_LOADS: Final = "+ loads of people and teams"
_ACTIVITIES: Final = "+ activity volumes and times"
EVERYTHING: Final = "+ company-wide counts"

_COMPANY_COUNTS: Final = frozenset(
    {"open_workflow_count", "opened_workflow_count_7d", "closed_workflow_count_7d"}
)
_ACTIVITY_VIEW: Final = f"{FeatureView.ACTIVITY_STATS.value}__"
_LOAD_VIEWS: Final = tuple(
    f"{view.value}__"
    for view in (FeatureView.PERSON_WORKLOAD, FeatureView.PERSON_ACTIVITY, FeatureView.TEAM_LOAD)
)
# From what the workflow itself tells to what only the whole organisation does.
_SETS: Final = (OWN_HISTORY, _LOADS, _ACTIVITIES, EVERYTHING)
_LEAST_GAIN: Final = 0.005


@dataclass(frozen=True)
class ColumnChoice:
    """The examples with the chosen columns, the largest set's name, and each set's validation loss.

    Each set holds the ones before it; a set that adds no column is not tried.
    """

    examples: Examples
    name: str
    losses: Mapping[str, float]


def choose_columns(
    examples: Examples, objective: Mapping[str, Any], params: BoostingParams, seed: int
) -> ColumnChoice:
    """Take a larger set of columns only where it lowers the validation loss by half a percent.

    Args:
        examples: training rows with all columns; not changed.
        objective: of the model's main booster, LightGBM's objective and metric.
        params: hyper-parameters.
        seed: of bagging and feature sampling.
    """
    levels = [_level(column) for column in examples.encoder.columns]
    losses: dict[str, float] = {}
    chosen, least = ("", examples), float("inf")
    for level in sorted(set(levels)):
        name = _SETS[level]
        reduced = _keep(examples, [i for i, of in enumerate(levels) if of <= level])
        losses[name] = validation_loss(reduced, objective, params, seed)
        if losses[name] < least * (1 - _LEAST_GAIN):
            chosen, least = (name, reduced), losses[name]
    return ColumnChoice(chosen[1], chosen[0], losses)


def is_own_history(column: Column) -> bool:
    """Say whether a column tells of the workflow itself, and nothing of the others."""
    return _SETS[_level(column)] == OWN_HISTORY


def _level(column: Column) -> int:
    """Return the position of the smallest set that holds a column."""
    if column.name.startswith(_ACTIVITY_VIEW):
        is_of_company = base_name(column.name) in _COMPANY_COUNTS
        return _SETS.index(EVERYTHING if is_of_company else _ACTIVITIES)
    return _SETS.index(_LOADS if column.name.startswith(_LOAD_VIEWS) else OWN_HISTORY)


def _keep(examples: Examples, positions: list[int]) -> Examples:
    columns = examples.encoder.columns
    return replace(
        examples,
        encoder=Encoder(tuple(columns[i] for i in positions)),
        matrix=examples.matrix[:, positions],
    )
