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
# No feature is called like this: names of features have no blank.
_EXPECTED: Final = "expected "


@dataclass(frozen=True)
class Sample:
    """Feature rows as a frame and as plain values, and the answer expected to each."""

    frame: pd.DataFrame
    rows: list[dict[str, Any]]
    expected: list[dict[str, Any]]


def write_sample(folder: Path, rows: pd.DataFrame, answers: pd.DataFrame) -> None:
    """Write rows and the answers to them (one a row) beside a model's files."""
    expected = answers.add_prefix(_EXPECTED).reset_index(drop=True)
    table = pa.Table.from_pandas(rows.reset_index(drop=True).join(expected), preserve_index=False)
    pq.write_table(table, folder / SAMPLE_FILE)


def read_sample(folder: Path) -> Sample | None:
    """Read what `write_sample` wrote; None where a version was made without.

    Raises:
        RegistryError: the file cannot be read.
    """
    path = folder / SAMPLE_FILE
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as err:
        raise RegistryError(f"The sample {path} cannot be read ({err}); fetch it again.") from err
    answers = [name for name in table.column_names if name.startswith(_EXPECTED)]
    inputs = [name for name in table.column_names if name not in answers]
    expected = table.select(answers).rename_columns([a.removeprefix(_EXPECTED) for a in answers])
    rows = table.select(inputs)
    return Sample(rows.to_pandas(), rows.to_pylist(), expected.to_pylist())
