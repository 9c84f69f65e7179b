"""Options that several benchmarks have."""

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the figures, with the machine, to a file."),
]

TrainOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="Log to train on (XES or CSV).")
]
ValOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Log that chooses; then trains too."),
]
TestOption = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="Log to be judged on.")]
MappingOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="What the log's columns mean; not given: the shipped mapping that fits.",
    ),
]
TrialsOption = Annotated[
    int, typer.Option(min=1, help="Learners and hyper-parameters to try on the validation rows.")
]
SeedOption = Annotated[int, typer.Option(help="Of the trees: the same gives the same figures.")]
