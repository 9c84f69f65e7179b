"""The sample every version brings along: some rows, and what it answered to them when it was made.

Whoever loads the version lets it answer the same rows again, so that a damaged file, another
version of a library or other code shows before the first request does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import RegistryError

SAMPLE_FILE: Final = "sample.parquet"
ANSWERS_FILE: Final = "sample_answers.parquet"


@dataclass(frozen=True)
class Sample:
    """Rows as a frame and as plain values, and the answers expected to them together."""

    frame: pd.DataFrame
    rows: list[dict[str, Any]]
    answers: pd.DataFrame


def write_sample(folder: Path, rows: pd.DataFrame, answers: pd.DataFrame) -> None:
    """Write rows and the answers to them beside a model's files."""
    for name, frame in ((SAMPLE_FILE, rows), (ANSWERS_FILE, answers)):
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / name)


def read_sample(folder: Path) -> Sample | None:
    """Read what `write_sample` wrote; None where a version was made without.

    Raises:
        RegistryError: a file cannot be read.
    """
    if not (folder / SAMPLE_FILE).is_file():
        return None
    try:
        rows, answers = (pq.read_table(folder / name) for name in (SAMPLE_FILE, ANSWERS_FILE))
    except (OSError, pa.ArrowException) as err:
        raise RegistryError(
            f"The sample in {folder} cannot be read ({err}); fetch it again."
        ) from err
    return Sample(rows.to_pandas(), rows.to_pylist(), answers.to_pandas())
