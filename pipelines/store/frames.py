"""One way from Arrow to pandas for training and serving, so that both see the same types."""

from typing import Final

import pandas as pd
import pyarrow as pa

_NULLABLE: Final = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


def typed_frame(table: pa.Table) -> pd.DataFrame:
    """Convert a table; the types depend on its schema alone, never on which values are null.

    Whole numbers become Int64, truth values boolean, reals float64, times datetime64[us, UTC],
    text object; what is missing is NA, NaN, NaT or None.
    """
    plain = table.replace_schema_metadata()
    frame: pd.DataFrame = plain.to_pandas(types_mapper=_NULLABLE.get)
    return frame
