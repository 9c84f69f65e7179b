"""The benchmark of features, tiny: its figures are whole and both builds gave the same files."""

from pipelines.bench.features import ANEW, DAY, LIMIT, SCRATCH, feature_rows, measure_features


def test_both_builds_give_the_same_files() -> None:
    figures = measure_features(event_count=2_000, rounds=1)
    assert figures.are_equal
    assert figures.event_count >= 2_000
    assert [one.name for one in figures.measurements] == [SCRATCH, DAY, ANEW, LIMIT]
    for one in figures.measurements[1:3]:
        assert one.result is not None, "built by an interval, not from scratch"
    assert all(one.median_s > 0 and one.peak_mib > 10 for one in figures.measurements)
    rows = feature_rows(figures)
    assert [row[0] for row in rows] == [SCRATCH, DAY, ANEW, LIMIT]
    assert rows[0][2] == "100.0%"
    assert figures.day_ratio > 0
