"""The figure that shows how far down a list the taker of a task is found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.learning.assignee.coded_log import Values
from pipelines.learning.canvas import BLUE, GREY, ORANGE, canvas, figure_of, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLACES: Final = 10


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


def _found(places: npt.NDArray[np.int64], found: Values) -> Values:
    shares: Values = 100 * (found[:, None] <= places).mean(axis=0)
    return shares
