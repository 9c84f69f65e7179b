"""Options that every benchmark has."""

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Write the figures, with the machine, to a file."),
]
