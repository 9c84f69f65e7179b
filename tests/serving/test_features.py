from datetime import timedelta
from typing import Any

from pipelines.store.online_rows import ServiceRows
from serving.features import completed
from tests.serving.made_rows import AS_OF, TYPES, feature_row


def _rows(*changes: dict[str, Any]) -> ServiceRows:
    rows = [feature_row("W", **one) for one in changes]
    return ServiceRows({name: [row[name] for row in rows] for name in feature_row("W")}, TYPES)


def test_each_row_has_the_features_of_its_own_moment() -> None:
    late = {"workflow_progress__due_at": AS_OF - timedelta(hours=1)}
    young = {"features_known_at": AS_OF + timedelta(minutes=5)}
    rows = completed(_rows({}, late, {}, young, late), AS_OF)
    day_s = 86_400.0
    assert rows.columns["slack_s"] == [day_s, -3_600.0, day_s, day_s - 300, -3_600.0]
    assert rows.columns["as_of"] == [AS_OF, AS_OF, AS_OF, AS_OF + timedelta(minutes=5), AS_OF]


def test_no_rows_have_the_columns_of_some() -> None:
    assert list(completed(_rows(), AS_OF).columns) == list(completed(_rows({}), AS_OF).columns)
