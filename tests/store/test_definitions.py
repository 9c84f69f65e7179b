"""Feast's definitions follow the views' data, and `feast apply` finds every one of them."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView
from feast.types import Int64, UnixTimestamp

from feature_repo import definitions as repository
from pipelines.features.views import VIEWS
from pipelines.store.definitions import feast_definitions


def test_feast_apply_finds_every_definition():
    made = feast_definitions("lake")
    found = [
        thing.name
        for thing in vars(repository).values()
        if isinstance(thing, Entity | FeatureView | FeatureService)
    ]
    expected = [entity.name for entity in made.entities.values()]
    assert sorted(found) == sorted([*expected, *made.views, *made.services])


def test_views_follow_their_specs():
    made = feast_definitions("s3://bucket/lake/")
    for spec in VIEWS.values():
        view = made.views[spec.name.value]
        assert view.ttl == timedelta(days=spec.ttl_days)
        assert view.batch_source.path == f"s3://bucket/lake/features/{spec.name.value}"
        fields = {field.name: field.dtype for field in view.schema}
        assert set(fields) == {c.name for c in (*spec.entities, *spec.columns)}
    progress = {field.name: field.dtype for field in made.views["workflow_progress"].schema}
    assert (progress["opened_at"], progress["event_count"]) == (UnixTimestamp, Int64)


def test_no_service_reads_the_answer():
    for service in feast_definitions("lake").services.values():
        assert "workflow_status" not in {view.name for view in service.feature_view_projections}
