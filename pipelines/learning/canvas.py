"""How every figure looks: colours, axes, titles, and names of features for people.

Matplotlib is imported when something is drawn: the service, which loads models, never does.
"""

from typing import TYPE_CHECKING, Final, Literal

from pipelines.learning.columns import ATTRIBUTES_SUFFIX, COUNTS_SUFFIX

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#2563a8"
ORANGE: Final = "#d9822b"
GREY: Final = "#b8bec6"
INK: Final = "#23303d"
GRID: Final = "#e7eaee"


def feature_label(name: str) -> str:
    """Return a feature's name for people: `team_load__open_task_count` -> open task count (team).

    Features of the workflow itself need no addition.
    """
    view, _, rest = name.rpartition("__")
    source, _, key = rest.partition(".")
    if key:
        if source.endswith(COUNTS_SUFFIX):
            return f"{key} (count so far)"
        return f"{key} ({source.removesuffix(ATTRIBUTES_SUFFIX).replace('_', ' ')} attribute)"
    words = rest.removesuffix("_s").replace("_", " ")
    origin = view.removesuffix("_stats").removesuffix("_workload").removesuffix("_load")
    return words if origin in {"", "workflow_progress"} else f"{words} ({origin.replace('_', ' ')})"


def canvas(title: str, subtitle: str, *, width: float = 8.0, height: float = 4.8) -> "Axes":
    """Return the axes of a new figure of so many inches, with its title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_subplot()
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=INK)
    axes.text(0, 1.025, subtitle, transform=axes.transAxes, fontsize=9.5, color="#5b6773")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def figure_of(axes: "Axes") -> "Figure":
    """Return the figure that axes of `canvas` belong to."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = axes.figure
    if not isinstance(figure, Figure):  # axes inside a sub-figure: never made here
        raise TypeError(f"Axes of a {type(figure).__name__}, not of a figure.")
    return figure


def legend(axes: "Axes", *, where: Literal["best", "upper left"] = "best") -> None:
    """Explain what was drawn with a label."""
    axes.legend(frameon=False, fontsize=9, loc=where, labelcolor=INK)
