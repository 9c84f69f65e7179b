import numpy as np
import pytest

from pipelines.learning.boosting import BoostingParams, Examples
from pipelines.learning.choose_columns import EVERYTHING, OWN_HISTORY, choose_columns
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.remaining_time import MAIN_OBJECTIVE

_OWN, _COMPANY = "workflow_progress__elapsed_s", "activity_stats__open_workflow_count"
_ROWS, _WEEKS = 2_000, 20


def _examples(count: np.ndarray, target: np.ndarray, own: np.ndarray) -> Examples:
    """Weeks in order; the last five are the validation rows."""
    validation = np.arange(_ROWS) >= _ROWS * 15 // _WEEKS
    return Examples(
        encoder=Encoder(tuple(Column(name, name, Kind.NUMBER) for name in (_OWN, _COMPANY))),
        matrix=np.column_stack([own, count]).astype(float),
        target=target,
        weight=np.ones(_ROWS),
        fit=~validation,
        validation=validation,
    )


@pytest.mark.parametrize("seed", range(3))
def test_counts_that_only_tell_the_week_are_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    week = np.arange(_ROWS) * _WEEKS // _ROWS
    own = rng.normal(size=_ROWS)
    # The history grows; what a week was like is chance, but for its own long decline.
    target = own + np.where(week < 15, -0.2 * week, 0.0) + rng.normal(0, 0.2, _ROWS)
    choice = choose_columns(
        _examples(week * 10 + rng.integers(0, 5, _ROWS), target, own),
        MAIN_OBJECTIVE,
        BoostingParams(),
        seed,
    )
    assert choice.name == OWN_HISTORY
    assert choice.examples.encoder.names == [_OWN]
    assert choice.examples.matrix.shape == (_ROWS, 1)
    assert choice.losses[EVERYTHING] > choice.losses[OWN_HISTORY]


@pytest.mark.parametrize("seed", range(3))
def test_counts_that_delay_work_are_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, queue = rng.normal(size=_ROWS), rng.integers(0, 100, _ROWS)
    target = own + queue / 25 + rng.normal(0, 0.2, _ROWS)
    choice = choose_columns(_examples(queue, target, own), MAIN_OBJECTIVE, BoostingParams(), seed)
    assert choice.name == EVERYTHING
    assert choice.examples.encoder.names == [_OWN, _COMPANY]
    assert choice.losses[EVERYTHING] < 0.5 * choice.losses[OWN_HISTORY]


def test_without_such_columns_there_is_nothing_to_choose() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=_ROWS)
    examples = _examples(own, own, own)
    alone = Examples(
        encoder=Encoder(examples.encoder.columns[:1]),
        matrix=examples.matrix[:, :1],
        target=examples.target,
        weight=examples.weight,
        fit=examples.fit,
        validation=examples.validation,
    )
    choice = choose_columns(alone, MAIN_OBJECTIVE, BoostingParams(), 0)
    assert list(choice.losses) == [OWN_HISTORY]
    assert choice.examples.encoder.names == [_OWN]
