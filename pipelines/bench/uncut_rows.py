"""Prefixes whose workflows were followed to their ends, learned from as the platform learns.

A public test log ends where its publisher stopped. The log before it does not: most of its
workflows end while the last one runs. To predict those is what is asked of a platform, so here
they test, and the training workflows stand for what had not ended when the test began.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.bench.prefix_rows import Mask, PrefixRows, is_scored, prefix_rows
from pipelines.errors import BenchmarkError
from pipelines.learning.columns import KNOWN_AT, WAIT, WEIGHT, WORKFLOW_ID
from pipelines.learning.holdout import hold_out
from pipelines.learning.split import censoring_weights

_LOGS: Final = 3


def uncut_rows(events: pd.DataFrame) -> PrefixRows:
    """Leave out the last log, and test on the one before.

    Args:
        events: `LogFrames.events`.

    Raises:
        BenchmarkError: fewer than three logs, or too few prefixes on one side.
        TrainingError: too few prefixes to choose by.
    """
    if events["log"].max() < _LOGS - 1:
        raise BenchmarkError(
            f"The uncut track needs {_LOGS} logs: to train, to predict, to follow."
        )
    rows = prefix_rows(events[events["log"] < events["log"].max()])
    frame, train = rows.frame, rows.train
    lead_time = frame["last_event_at_total"] - frame["opened_at"]
    frame = frame.assign(
        **{
            KNOWN_AT: frame["last_event_at_total"],
            WAIT: lead_time.dt.total_seconds(),
            WEIGHT: _weights(rows),
        }
    )
    holdout = hold_out(frame[train])
    search_weight = np.ones(len(frame))
    search_weight[train] = holdout.weight
    return replace(
        rows,
        fit=_among(train, holdout.fit),
        validation=_among(train, holdout.validation) & is_scored(frame),
        weight=frame[WEIGHT].to_numpy(dtype=float),
        search_weight=search_weight,
    )


def _weights(rows: PrefixRows) -> pd.Series:
    """Return each prefix's censoring weight, one where it is not learned from."""
    frame, test_start = rows.frame, rows.frame.loc[rows.test, "opened_at"].min()
    moments = ["opened_at", "last_event_at_total"]
    facts = frame[rows.public].groupby(WORKFLOW_ID)[moments].first()
    facts = facts[facts["opened_at"] < test_start]
    ended = facts[facts["last_event_at_total"] < test_start]
    lead_time = ended["last_event_at_total"] - ended["opened_at"]
    weights = censoring_weights(facts["opened_at"], lead_time, test_start)
    return frame[WORKFLOW_ID].map(weights).fillna(1.0).astype(float)


def _among(mask: Mask, chosen: Mask) -> Mask:
    """Return the mask of the chosen ones of those that a mask holds."""
    result: npt.NDArray[np.bool_] = np.zeros(len(mask), dtype=bool)
    result[mask] = chosen
    return result
