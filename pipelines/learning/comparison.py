"""Figures that any model has: its measures beside the baselines', and what its trees lean on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

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
from pipelines.learning.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_FEATURES: Final = 15
_GREYS: Final = (GREY, "#8d96a1", "#d6dadf", "#6c7681")
_GROUP_WIDTH: Final = 0.8


def compared(
    title: str,
    metrics: Metrics,
    baselines: Mapping[str, Metrics],
    *,
    subtitle: str,
    shown: Mapping[str, str],
    unit: str,
) -> "Figure":
    """Draw some measures of a model beside those of its baselines, a group of bars each.

    Args:
        title: what is shown.
        metrics: the model's.
        baselines: by name.
        subtitle: on which rows, and which way is better.
        shown: what each measure is called on the axis.
        unit: of all of them.
    """
    axes = canvas(title, subtitle)
    bars = {**baselines, "model": metrics}
    width = _GROUP_WIDTH / len(bars)
    places = np.arange(len(shown))
    for number, (name, measures) in enumerate(bars.items()):
        values = [measures.get(metric) or 0.0 for metric in shown]
        colour = BLUE if name == "model" else _GREYS[number % len(_GREYS)]
        offset = (number - (len(bars) - 1) / 2) * width
        label = name.replace("_", " ")
        axes.bar(places + offset, values, width=width * 0.95, color=colour, label=label)
    axes.set_xticks(places.tolist(), list(shown.values()))
    axes.set_xlabel("Measure")
    axes.set_ylabel(unit)
    legend(axes)
    return figure_of(axes)


def gains(importance: Mapping[str, float]) -> "Figure":
    """Draw the features with the largest shares of the trees' gain."""
    top = list(importance.items())[:_SHOWN_FEATURES][::-1]
    axes = canvas(
        "What the trees lean on",
        "Share of the splits' gain, mean over all trees' models",
        height=0.31 * len(top) + 1.6,
    )
    places: Sequence[int] = range(len(top))
    axes.barh(list(places), [share for _, share in top], color=ORANGE, height=0.72)
    axes.set_yticks(list(places), [feature_label(name) for name, _ in top])
    axes.set_xlabel("Share of the gain")
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    return figure_of(axes)
