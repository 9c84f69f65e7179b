"""Figures that show how far down a list the taker of a task is found, and what it rests on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.learning.assignee.coded_log import Values
from pipelines.learning.canvas import (
    BLUE,
    GREY,
    GRID,
    ORANGE,
    canvas,
    feature_label,
    figure_of,
    legend,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLACES: Final = 10
_SHOWN_FEATURES: Final = 15


def taker_found(model: Values, baselines: Mapping[str, Values]) -> "Figure":
    """Draw the share of tasks whose taker is among the first k.

    Args:
        model: place of the taker per task; infinity where not a candidate.
        baselines: likewise; the first two are drawn.
    """
    places = np.arange(1, _PLACES + 1)
    axes = canvas(
        "How far down the list the taker stands",
        f"Share of {len(model):,} later tasks whose taker is among the first so many",
    )
    drawn = zip(list(baselines.items())[:2], (GREY, ORANGE), strict=False)
    for (name, found), colour in drawn:
        axes.plot(places, _found(places, found), "o-", color=colour, label=name.replace("_", " "))
    axes.plot(places, _found(places, model), "o-", color=BLUE, label="model")
    axes.set_ylim(0, 100)
    axes.set_xticks(places.tolist())
    axes.set_xlabel("Candidates looked at")
    axes.set_ylabel("Share of tasks, %")
    legend(axes)
    return figure_of(axes)


def feature_gain(importance: Mapping[str, float]) -> "Figure":
    """Draw the features by their share of the gain of all trees."""
    top = sorted(importance.items(), key=lambda item: item[1])[-_SHOWN_FEATURES:]
    axes = canvas(
        "What the ranking rests on",
        "Share of the gain of all trees, %",
        height=0.31 * len(top) + 1.6,
    )
    axes.barh(range(len(top)), [100 * share for _, share in top], color=BLUE, height=0.72)
    axes.set_yticks(range(len(top)), [feature_label(name) for name, _ in top])
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    return figure_of(axes)


def _found(places: npt.NDArray[np.int64], found: Values) -> Values:
    shares: Values = 100 * (found[:, None] <= places).mean(axis=0)
    return shares
