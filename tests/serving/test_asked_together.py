"""Requests that wait at the same moment are answered at once, each as if it were alone."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from httpx import Response

from pipelines.contracts import Model
from serving import responses
from serving.features import FeatureRead
from serving.problems import FeaturesAwayError
from serving.traffic import place
from tests.serving.at_once import FIRST, AtOnce, said
from tests.serving.conftest import World

IDS = ["WF-2", "nobody", "closed", "WF-1", "young", "WF-1"]
STATUSES = [200, 404, 422, 200, 200, 200]
PATHS = ["/predict_duration", "/assess_risk"]

AskAtOnce = Callable[[str, Sequence[str]], list[Response]]


@pytest.fixture
def reads(world: World, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids whose features were read, each time."""
    read = world.features.read
    reads: list[list[str]] = []

    def noted(workflow_ids: Sequence[str], model: Model) -> FeatureRead:
        reads.append(list(workflow_ids))
        return read(workflow_ids, model)

    monkeypatch.setattr(world.features, "read", noted)
    return reads


@pytest.fixture
def ask_at_once(
    world: World, at_once: AtOnce, reads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> AskAtOnce:
    monkeypatch.setattr(world.features, "read", at_once.held(world.features.read))
    return lambda path, ids: at_once(path, [{"workflow_id": one} for one in ids])


@pytest.mark.parametrize("path", PATHS)
def test_each_is_answered_as_alone(world: World, ask_at_once: AskAtOnce, path: str) -> None:
    alone = [world.client.post(path, json={"workflow_id": one}) for one in IDS]
    together = ask_at_once(path, IDS)
    assert [one.status_code for one in together] == STATUSES
    assert list(map(said, together)) == list(map(said, alone))
    answered = [one for one in together if one.status_code == 200]
    assert len({one.json()["prediction_id"] for one in answered}) == len(answered)


def test_features_are_read_of_all_at_once(ask_at_once: AskAtOnce, reads: list[list[str]]) -> None:
    ask_at_once(PATHS[0], IDS)
    assert reads == [[FIRST], IDS]


def test_each_is_logged_as_a_request_of_its_own(world: World, ask_at_once: AskAtOnce) -> None:
    together = ask_at_once(PATHS[0], IDS)
    told = [one.json()["prediction_id"] for one in together if one.status_code == 200]
    rows = world.log.rows
    assert [str(row.prediction_id) for row in rows] == told
    assert [row.inputs["workflow_count"] for row in rows] == [1] * len(told)
    # They came one after the other, and were answered at the same moment.
    assert all(a.requested_at < b.requested_at for a, b in pairwise(rows))
    assert all(a.latency_ms > b.latency_ms for a, b in pairwise(rows))


def test_who_is_traced_is_answered_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read, both = world.features.read, threading.Barrier(2)

    def waits_for_the_other(workflow_ids: Sequence[str], model: Model) -> FeatureRead:
        assert len(workflow_ids) == 1
        both.wait(10)  # which is answered by another thread, or never comes
        return read(workflow_ids, model)

    monkeypatch.setattr(world.features, "read", waits_for_the_other)
    monkeypatch.setattr(responses, "is_traced", lambda: True)
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(world.client.post, PATHS[0], json={"workflow_id": of}) for of in IDS[:2]
        ]
        assert [one.result().status_code for one in asked] == STATUSES[:2]


@pytest.mark.parametrize("challenger_ratio", [{Model.REMAINING_TIME: 0.25}])
def test_each_is_answered_by_its_version(world: World, ask_at_once: AskAtOnce) -> None:
    world.registry.challengers[Model.REMAINING_TIME] = "2"
    world.watch.look()
    ids = [one for one, status in zip(IDS, STATUSES, strict=True) if status == 200]
    versions = ["2" if place(Model.REMAINING_TIME, one) < 0.25 else "1" for one in ids]
    assert len(set(versions)) == 2
    together = ask_at_once(PATHS[0], ids)
    assert [one.json()["model"]["version"] for one in together] == versions
    logged = {str(row.prediction_id): row for row in world.log.rows}
    for one, version in zip(together, versions, strict=True):
        row = logged[one.json()["prediction_id"]]
        assert (row.model_version, row.propensity) == (version, {"1": 0.75, "2": 0.25}[version])


def test_one_that_breaks_the_model_breaks_no_other(
    world: World, ask_at_once: AskAtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = world.registry.predictors[Model.REMAINING_TIME]
    predict_rows = type(predictor).predict_rows

    def breaks(self: Any, rows: Sequence[Any]) -> Any:
        if any(row["workflow_id"] == "WF-2" for row in rows):
            raise ZeroDivisionError
        return predict_rows(self, rows)

    monkeypatch.setattr(type(predictor), "predict_rows", breaks)
    statuses = [500 if one == "WF-2" else status for one, status in zip(IDS, STATUSES, strict=True)]
    assert [one.status_code for one in ask_at_once(PATHS[0], IDS)] == statuses
    assert len(world.log.rows) == statuses.count(200)


@pytest.mark.parametrize("challenger_ratio", [{Model.REMAINING_TIME: 0.25}])
@pytest.mark.parametrize(
    ("failing", "error", "status"),
    [
        ("1", FeaturesAwayError("no store"), 503),
        ("1", ZeroDivisionError(), 500),
        ("2", FeaturesAwayError("no store"), 503),
        ("2", ZeroDivisionError(), 500),  # the champion fails as well
    ],
)
def test_what_one_version_raises_is_none_of_the_others(
    world: World, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch, *,
    failing: str, error: Exception, status: int,
) -> None:  # fmt: skip
    world.registry.challengers[Model.REMAINING_TIME] = "2"
    world.watch.look()
    ids = [one for one, status in zip(IDS, STATUSES, strict=True) if status == 200]
    versions = ["2" if place(Model.REMAINING_TIME, one) < 0.25 else "1" for one in ids]
    failed = {one for one, version in zip(ids, versions, strict=True) if version == failing}
    read = world.features.read

    def fails(workflow_ids: Sequence[str], model: Model) -> FeatureRead:
        if failed & set(workflow_ids):
            raise error
        return read(workflow_ids, model)

    monkeypatch.setattr(world.features, "read", at_once.held(fails))
    together = at_once(PATHS[0], [{"workflow_id": one} for one in ids])
    assert [one.status_code for one in together] == [
        status if version == failing else 200 for version in versions
    ]
    answered = [one.json()["prediction_id"] for one in together if one.status_code == 200]
    assert [str(row.prediction_id) for row in world.log.rows] == answered
    assert answered
