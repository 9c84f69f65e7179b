"""What the readers of both formats yield: a chunk of rows, still text."""

from dataclasses import dataclass, field
from typing import Final

from pipelines.history.rejections import RejectedRow

CHUNK_ROWS: Final = 20_000


@dataclass(frozen=True)
class RawChunk:
    """Rows of a log by column, and the rows the format itself made unreadable.

    A column of the mapping that the file lacks is absent from `columns`.
    """

    row_numbers: list[int]
    columns: dict[str, list[str | None]]
    rejected: list[RejectedRow] = field(default_factory=list)
