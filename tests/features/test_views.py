"""The description of the views is whole and says what the rooms above rely on."""

import re

import pyarrow as pa
import pytest

from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.features.views import VIEWS, qualified
from pipelines.history.schema import TIMESTAMP


def test_every_view_is_described() -> None:
    assert set(VIEWS) == set(FeatureView)
    assert {view: (spec.entity_columns, spec.ttl_days) for view, spec in VIEWS.items()} == {
        FeatureView.WORKFLOW_PROGRESS: (("workflow_id",), 365),
        FeatureView.WORKFLOW_STATUS: (("workflow_id",), 0),
        FeatureView.ACTIVITY_STATS: (("activity",), 90),
        FeatureView.PERSON_WORKLOAD: (("person_id",), 90),
        FeatureView.PERSON_ACTIVITY: (("person_id", "activity"), 730),
        FeatureView.TEAM_LOAD: (("team_id",), 90),
    }


@pytest.mark.parametrize("view", FeatureView)
def test_schema_is_keys_times_features(view: FeatureView) -> None:
    spec = VIEWS[view]
    features = [column.name for column in spec.columns]
    times = [EVENT_TIMESTAMP, CREATED_TIMESTAMP]
    assert spec.schema.names == [*spec.entity_columns, *times, *features]
    assert len(set(spec.schema.names)) == len(spec.schema)
    assert all(spec.schema.field(name).type == TIMESTAMP for name in times)
    assert not any(spec.schema.field(name).nullable for name in spec.key)


@pytest.mark.parametrize("view", FeatureView)
def test_names_say_the_type(view: FeatureView) -> None:
    for column in (*VIEWS[view].entities, *VIEWS[view].columns):
        name, dtype = column.name, column.dtype
        assert name.endswith(("_at", "_timestamp")) == (dtype == TIMESTAMP), name
        assert bool(re.search(r"_count(_|$)", name)) == (dtype == pa.int64()), name
        assert name.startswith("is_") == (dtype == pa.bool_()), name
        assert column.description.endswith("."), name
        assert "\n" not in column.description, name


def test_qualified_is_feasts_full_feature_name() -> None:
    assert qualified(FeatureView.TEAM_LOAD, "open_task_count") == "team_load__open_task_count"
