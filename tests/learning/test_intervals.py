import numpy as np
import numpy.typing as npt
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.intervals import Groups, Margins, Values, calibrate

_NOISE = {"calm": 0.3, "rough": 3.0}


def rows(count: int, seed: int) -> tuple[Values, Values, Values, Groups]:
    """Scores of a booster that is far too sure of itself about the rough rows."""
    rng = np.random.default_rng(seed)
    group = rng.choice(np.array([*_NOISE], dtype=object), count)
    centre = rng.normal(0, 5, count)
    actual = centre + rng.normal(0, 1, count) * np.vectorize(_NOISE.get)(group)
    return centre - 1, centre + 1, actual, group


def covered(margins: Margins, seed: int) -> dict[str, float]:
    lower, upper, actual, group = rows(20_000, seed)
    low, high = margins.widen(lower, upper, group)
    is_in = (low <= actual) & (actual <= high)
    return {name: float(is_in[group == name].mean()) for name in _NOISE}


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_each_group_is_covered_as_often_as_asked(seed: int, *, symmetric: bool) -> None:
    margins = calibrate(*rows(4_000, seed), 0.9, symmetric=symmetric)
    for share in covered(margins, seed + 100).values():
        assert 0.88 <= share <= 0.92
    together = Margins(calibrate(*rows(4_000, seed), 0.9, least_of_group=10_000).rest, {})
    assert covered(together, seed + 100)["calm"] > 0.99  # what groups are for
    assert covered(together, seed + 100)["rough"] < 0.82


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("count", [100, 107, 250, 999])
def test_equal_weights_give_what_mapie_gives(count: int, *, symmetric: bool) -> None:
    sample = rows(count, 5)
    plain = calibrate(*sample, 0.8, symmetric=symmetric)
    weighted = calibrate(*sample, 0.8, weight=np.full(count, 2.5), symmetric=symmetric)
    assert weighted.rest == pytest.approx(plain.rest, abs=1e-12)
    assert set(weighted.of_group) == set(plain.of_group)
    for name, ends in weighted.of_group.items():
        assert ends == pytest.approx(plain.of_group[name], abs=1e-12)


def test_a_margin_is_the_quantile_of_what_was_missed() -> None:
    actual = np.arange(1.0, 12.0)  # eleven rows: 80 % of them and the new one are ten
    nothing, group = np.zeros(11), np.full(11, "all", dtype=object)
    assert calibrate(nothing, nothing, actual, group, 0.8, symmetric=True).rest == pytest.approx(
        (10, 10)
    )
    # Each end alone may miss a tenth: one of twelve.
    assert calibrate(nothing, nothing, actual, group, 0.8).rest == pytest.approx((-1, 11))


def test_heavier_rows_count_for_more() -> None:
    sample = rows(2_000, 1)
    is_rough = sample[3] == "rough"
    alike = np.full(2_000, "all", dtype=object)
    rough = calibrate(*sample[:3], alike, 0.8, weight=np.where(is_rough, 5.0, 1.0)).rest
    calm = calibrate(*sample[:3], alike, 0.8, weight=np.where(is_rough, 1.0, 5.0)).rest
    assert min(rough) > max(calm) + 0.5


def test_few_workflows_teach_less_than_their_many_rows() -> None:
    """Beside 25 workflows the new one weighs 40 rows: 936 of 1,040 it is, not 901 of 1,001."""
    actual = np.repeat(np.arange(1.0, 26.0), 40)
    nothing, group = np.zeros(1_000), np.full(1_000, "all", dtype=object)
    sample = nothing, nothing, actual, group, 0.8
    assert calibrate(*sample).rest[1] == 23
    assert calibrate(*sample, workflow=np.repeat(np.arange(25), 40)).rest[1] == 24
    assert calibrate(*sample, workflow=np.arange(1_000)).rest == pytest.approx((-3, 23))


def test_small_and_unknown_groups_share_the_margins_of_the_rest() -> None:
    lower, upper, actual, group = rows(1_000, 2)
    group = group.copy()
    group[:60], group[60:120] = "one", "two"
    margins = calibrate(lower, upper, actual, group, 0.9)
    assert set(margins.of_group) == set(_NOISE)
    some = np.isin(group.astype(str), ["one", "two"])
    ends = calibrate(lower[some], upper[some], actual[some], group[some], 0.9).rest
    assert margins.rest == pytest.approx(ends)
    widened = margins.widen(np.zeros(2), np.zeros(2), np.array(["one", "never seen"], dtype=object))
    np.testing.assert_allclose(widened, [[-ends[0]] * 2, [ends[1]] * 2])


def test_margins_survive_being_written_down() -> None:
    margins = calibrate(*rows(1_000, 3), 0.9)
    again = Margins.from_spec(margins.to_spec())
    lower, upper, _, group = rows(50, 4)
    for end, same in zip(
        margins.widen(lower, upper, group), again.widen(lower, upper, group), strict=True
    ):
        np.testing.assert_array_equal(end, same)


def test_too_few_rows_are_refused() -> None:
    few: npt.NDArray[np.float64] = np.zeros(20)
    with pytest.raises(TrainingError, match="20 rows cannot calibrate a coverage of 90%: 21"):
        calibrate(few, few, few, np.full(20, "", dtype=object), 0.9)
