"""Examples of made-up rows, as a learner reads them."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.examples import Examples, age_ratios

START = pd.Timestamp("2024-01-01", tz="UTC")


def examples_of(
    matrix: npt.NDArray[np.float64], late: npt.NDArray[np.bool_], names: list[str]
) -> Examples:
    """Return rows an hour apart, of which the latest fifth validates; all columns are numbers."""
    count = len(matrix)
    validation = np.arange(count) >= count * 0.8
    as_of = pd.Series(START + pd.to_timedelta(np.arange(count), unit="h"))
    return Examples(
        encoder=Encoder(tuple(Column(name, name, Kind.NUMBER) for name in names)),
        matrix=matrix,
        target=late.astype(float),
        weight=np.ones(count),
        age_ratio=age_ratios(as_of),
        fit=~validation,
        validation=validation,
    )
