"""The commands `workcast bench …`; heavy libraries are imported inside them."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="bench",
    help="Measure the platform side by side with its peers, in one run.",
    no_args_is_help=True,
)

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the figures, with the machine, to a file."),
]
