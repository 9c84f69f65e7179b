"""One row through a LightGBM model, without what LightGBM's Python does around it.

`Booster.predict` looks for the kind of data, converts it, allocates and checks for every call:
for one row that takes several times as long as the trees. LightGBM's C API has a call for rows that
come one by one (`LGBM_BoosterPredictForMatSingleRowFast`), which is set up once; its answers are
the same to the last bit.
"""

import ctypes
import threading
from enum import Enum
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from lightgbm import basic

Values = npt.NDArray[np.float64]

# The library that Booster itself has loaded.
_LIBRARY: Final[Any] = basic._LIB  # type: ignore[attr-defined]  # noqa: SLF001


class Answer(Enum):
    """What a booster says of a row, as LightGBM numbers it."""

    RAW = basic._C_API_PREDICT_RAW_SCORE  # noqa: SLF001 - the sum of the trees, of each class
    PREDICTION = basic._C_API_PREDICT_NORMAL  # noqa: SLF001 - of classes: their probabilities
    LEAVES = basic._C_API_PREDICT_LEAF_INDEX  # noqa: SLF001 - the leaf of each tree


class SingleRow:
    """Predicts single rows with a booster, from any thread, in one thread.

    Args:
        booster: not changed from then on.
        answer: what it answers with.
    """

    def __init__(self, booster: lgb.Booster, answer: Answer = Answer.RAW) -> None:
        columns, self._booster = booster.num_feature(), booster
        self._row = np.zeros(columns)
        is_of_trees = answer is Answer.LEAVES
        self._answer = np.zeros(
            booster.num_trees() if is_of_trees else booster.num_model_per_iteration()
        )
        self._count, self._config = ctypes.c_int64(), ctypes.c_void_p()
        # What is handed over stays where it is: the addresses are taken once.
        self._call = (
            self._config,
            self._row.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._count),
            self._answer.ctypes.data_as(ctypes.c_void_p),
        )
        self._lock = threading.Lock()
        _checked(
            _LIBRARY.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,  # noqa: SLF001
                ctypes.c_int(answer.value),
                ctypes.c_int(0),
                ctypes.c_int(booster.best_iteration),  # as `Booster.predict` does; -1: all
                ctypes.c_int(basic._C_API_DTYPE_FLOAT64),  # noqa: SLF001
                ctypes.c_int32(columns),
                b"num_threads=1",
                ctypes.byref(self._config),
            )
        )

    def __del__(self) -> None:
        if self._config:
            _LIBRARY.LGBM_FastConfigFree(self._config)

    def predict(self, row: Values) -> Values:
        """Return the answer to a row of float64 (columns,): (classes or 1,), or (trees,) leaves.

        Raises:
            LightGBMError: the row has another number of columns, or LightGBM fails.
        """
        if len(row) != len(self._row):
            raise lgb.basic.LightGBMError(f"A row of {len(self._row)} columns, not {len(row)}.")
        with self._lock:
            self._row[:] = row
            _checked(_LIBRARY.LGBM_BoosterPredictForMatSingleRowFast(*self._call))
            return self._answer.copy()


def _checked(status: int) -> None:
    if status:
        raise lgb.basic.LightGBMError(_LIBRARY.LGBM_GetLastError().decode())
