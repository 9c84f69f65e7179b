"""Digests of a history say what was recorded before a moment, and nothing of what came later."""

from datetime import datetime
from pathlib import Path

import pytest

from pipelines.features.built import history_digests
from tests.features.lakes import write_history
from tests.features.tables import arrow_tables, at, event, workflow

EVENTS = [event("w", "A", at(day, 9), person="p", team="t") for day in range(40)]


def _digests(lake: Path, until: datetime, moments: list[datetime]) -> list[dict[str, str]]:
    tables = arrow_tables(EVENTS, [workflow("w", at(0))])
    return history_digests(write_history(str(lake), tables, until), moments, "month")


@pytest.mark.parametrize("until", [at(36), at(40)])
def test_later_rows_of_a_partition_do_not_count(tmp_path: Path, until: datetime) -> None:
    (before,) = _digests(tmp_path / "before", at(35), [at(35)])
    (after,) = _digests(tmp_path / "after", until, [at(35)])
    assert after == before
    assert len(before) == 3  # two months of events, one of workflows


def test_moments_are_digested_as_each_by_itself(tmp_path: Path) -> None:
    moments = [at(0), at(20), at(35), at(36)]
    together = _digests(tmp_path / "lake", at(40), moments)
    alone = [_digests(tmp_path / "lake", at(40), [moment])[0] for moment in moments]
    assert together == alone
    assert len({str(digests) for digests in together}) == 4
