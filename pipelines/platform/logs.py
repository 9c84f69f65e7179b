"""The end of a program's log, for the error that says it failed."""

from pathlib import Path
from typing import Final

TAIL_LINES: Final = 20

_TAIL_BYTES: Final = 16_384


def log_tail(path: Path, line_count: int = TAIL_LINES) -> str:
    """Return the last lines of a log under a heading that names the file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-line_count:]
    except OSError:
        lines = []
    if not lines:
        return f"{path} is empty."
    return "\n".join([f"The end of {path}:", *(f"  {line}" for line in lines)])
