import numpy as np
import pandas as pd

from pipelines.learning.template.content import NO_HALF_LIFE, Asked, shifted

END = pd.Timestamp("2024-06-01", tz="UTC")
# Closed 0, 10, 100 and 100 days before the last; the first two took template 0.
ASKED = Asked(
    pd.DataFrame(index=range(4)),
    np.array([0, 0, 1, 1]),
    pd.Series([END - pd.Timedelta(days=days) for days in (0, 10, 100, 100)]),
    3,
)


def test_weights_halve_with_a_share_of_the_period() -> None:
    raw = np.array([1, 2**-0.1, 2**-1, 2**-1])
    np.testing.assert_allclose(ASKED.recency(1.0), raw / raw.mean())
    np.testing.assert_allclose(ASKED.recency(NO_HALF_LIFE), 1)


def test_the_shift_is_the_recent_share_by_the_whole_one() -> None:
    # Two of template 0 in 30 days, and twenty of all shares (1/2 each): 12 and 10 of 22.
    expected = np.array([12 / 22, 10 / 22]) / 0.5
    found = ASKED.shift(NO_HALF_LIFE, 1.0)
    np.testing.assert_allclose(found, [*expected, 1])
    np.testing.assert_allclose(ASKED.shift(NO_HALF_LIFE, 0.5), np.sqrt(found))
    np.testing.assert_allclose(ASKED.shift(NO_HALF_LIFE, 0.0), 1)
    np.testing.assert_allclose(
        shifted(np.array([[0.5, 0.5, 0.0]]), np.array([3.0, 1.0, 1.0])), [[0.75, 0.25, 0]]
    )
