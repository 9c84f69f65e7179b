"""Kept answers, with a real Valkey; the features come from the tests' own rows."""

import re
from datetime import timedelta
from typing import Any

import pytest
import redis

from pipelines.contracts import FeatureView, Model
from pipelines.features.views import VIEWS
from pipelines.monitoring.json_text import json_text
from pipelines.source.platform_tables import predictions
from pipelines.store.addresses import Entity, timestamp_field
from pipelines.store.stamp import put_new_stamp, take_stamp_away
from pipelines.store.valkey import Valkey
from serving.cache import AnswerCache, Seen
from tests.serving.conftest import World
from tests.serving.doubles import Copy, Rows
from tests.serving.made_rows import AS_OF

pytestmark = pytest.mark.integration

TTL_S = 1_000
ENDPOINTS = ["/predict_duration", "/assess_risk"]


@pytest.fixture
def valkey(valkey_url: str) -> redis.Redis:
    server = redis.Redis.from_url(valkey_url)
    server.flushall()
    put_new_stamp(Valkey(valkey_url))
    return server


@pytest.fixture
def cache(valkey: redis.Redis, valkey_url: str) -> AnswerCache:
    return AnswerCache(valkey_url, TTL_S, is_first_kept=True)


def ask(world: World, cache: AnswerCache, endpoint: str = ENDPOINTS[0], of: str = "WF-1") -> Any:
    """Ask, and let what is kept be written."""
    answer = world.client.post(endpoint, json={"workflow_id": of})
    assert answer.status_code == 200, answer.text
    cache.flush()
    return answer.json()


def is_read(world: World) -> bool:
    """Whether features were read since the last time this was asked."""
    count, world.store.read_count = world.store.read_count, 0
    return count > 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_second_answer_is_the_first_under_an_id_of_its_own(
    world: World, cache: AnswerCache, endpoint: str
) -> None:
    first = ask(world, cache, endpoint)
    assert is_read(world)
    second = ask(world, cache, endpoint)

    assert not is_read(world)
    assert first.pop("prediction_id") != second.pop("prediction_id")
    assert first == second


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_answer_given_again_is_logged_as_one(
    world: World, cache: AnswerCache, endpoint: str
) -> None:
    first, second = ask(world, cache, endpoint), ask(world, cache, endpoint)

    kept, again = world.log.rows
    assert (str(kept.prediction_id), kept.cached_from) == (first["prediction_id"], None)
    assert str(again.prediction_id) == second["prediction_id"]
    assert again.cached_from == kept.prediction_id
    same = ("model_name", "model_version", "model_alias", "workflow_id", "as_of", "variant",
            "features_known_at", "inputs", "propensity", "task_id", "is_degraded")  # fmt: skip
    assert [getattr(again, n) for n in same] == [getattr(kept, n) for n in same]
    assert json_text(again.output) == json_text(kept.output)
    assert set(again.row()) == set(kept.row()) == set(predictions.c.keys())


def test_a_new_version_answers_for_itself(world: World, cache: AnswerCache) -> None:
    ask(world, cache)
    world.registry.versions[Model.REMAINING_TIME] = "2"
    world.watch.look()
    is_read(world)

    assert ask(world, cache)["model"]["version"] == "2"
    assert is_read(world)
    world.registry.versions[Model.REMAINING_TIME] = "1"
    world.watch.look()
    assert ask(world, cache)["model"]["version"] == "1"
    assert not is_read(world)  # rolled back: what it said still holds


def test_a_moved_clock_asks_anew(world: World, cache: AnswerCache) -> None:
    ask(world, cache)
    world.clock.as_of = AS_OF + timedelta(hours=1)
    is_read(world)

    answer = ask(world, cache)
    assert is_read(world)
    assert answer["as_of"] == "2016-04-01T13:00:00Z"


def test_written_features_ask_anew_and_while_they_are_written_nothing_is_kept(
    world: World, cache: AnswerCache, valkey_url: str
) -> None:
    ask(world, cache)
    is_read(world)
    take_stamp_away(Valkey(valkey_url))
    for _ in range(2):
        ask(world, cache)
        assert is_read(world)
    put_new_stamp(Valkey(valkey_url))
    ask(world, cache)
    assert is_read(world)
    ask(world, cache)
    assert not is_read(world)


def test_an_answer_made_while_features_were_written_is_never_given_again(
    world: World, cache: AnswerCache, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = world.store.read

    def read_and_write(*asked: Any) -> Any:
        rows = read(*asked)
        take_stamp_away(Valkey(valkey_url))
        put_new_stamp(Valkey(valkey_url))
        return rows

    monkeypatch.setattr(world.store, "read", read_and_write)
    ask(world, cache)
    is_read(world)
    ask(world, cache)
    assert is_read(world)


@pytest.mark.parametrize("view", [FeatureView.WORKFLOW_PROGRESS, FeatureView.WORKFLOW_STATUS])
def test_a_new_event_of_the_workflow_asks_anew_whoever_wrote_it(
    world: World, cache: AnswerCache, valkey: redis.Redis, view: FeatureView
) -> None:
    ask(world, cache)
    is_read(world)
    address = Entity(VIEWS[view].entity_columns).address(("WF-1",))
    valkey.hset(address, timestamp_field(view), b"\x08\x01")  # as Feast's own push does

    ask(world, cache)
    assert is_read(world)


def test_workflows_and_models_do_not_share_answers(world: World, cache: AnswerCache) -> None:
    seen = {ask(world, cache, e, i)["workflow_id"] + e for e in ENDPOINTS for i in ("WF-1", "WF-2")}
    for endpoint in ENDPOINTS:
        for workflow_id in ("WF-1", "WF-2"):
            assert ask(world, cache, endpoint, workflow_id)["workflow_id"] == workflow_id
    assert len(seen) == 4


def test_what_is_degraded_is_neither_kept_nor_given_again(world: World, cache: AnswerCache) -> None:
    world.clock.is_stale = True
    ask(world, cache)
    world.clock.is_stale = False
    is_read(world)
    assert not ask(world, cache)["is_degraded"]
    assert is_read(world)
    world.clock.is_stale = True
    assert ask(world, cache)["is_degraded"]
    assert is_read(world)


def test_what_came_from_the_lake_is_not_kept(world: World, cache: AnswerCache) -> None:
    world.features._fallback = Copy(Rows(list(world.store.rows.values())), is_partial=False)
    world.store.is_away = True
    assert ask(world, cache)["is_degraded"]
    world.store.is_away = False
    world.features.probe()
    is_read(world)

    assert not ask(world, cache)["is_degraded"]
    assert is_read(world)


def entries(valkey: redis.Redis) -> list[bytes]:
    """Keys of kept answers; beside them stands the stamp of the features."""
    return list(valkey.scan_iter("workcast:answer:*"))


def test_entries_end(world: World, cache: AnswerCache, valkey: redis.Redis) -> None:
    ask(world, cache)

    (key,) = entries(valkey)
    assert re.fullmatch(rb"workcast:answer:2-[0-9a-f]{12}:remaining_time:1:champion:WF-1", key)
    assert TTL_S - 100 < valkey.ttl(key) <= TTL_S


def test_problems_are_not_kept(world: World, cache: AnswerCache, valkey: redis.Redis) -> None:
    for workflow_id in ("nobody", "closed", "old"):
        world.client.post(ENDPOINTS[0], json={"workflow_id": workflow_id})
    cache.flush()
    assert entries(valkey) == []


def test_a_cache_that_is_away_is_passed_by_and_not_asked_again_at_once(world: World) -> None:
    away = AnswerCache("redis://127.0.0.1:1", TTL_S, is_first_kept=True)
    object.__setattr__(world.app.state.runtime, "cache", away)
    for _ in range(3):
        ask(world, away)
        assert is_read(world)
    assert away._breaker.opened
    assert away._breaker.failure_count == 1


def test_odd_ids_are_keys_too(world: World) -> None:
    for odd in ("\n", "\x01", "🙂", "a:b"):
        answer = world.client.post(ENDPOINTS[0], json={"workflow_id": odd})
        assert answer.status_code == 404


def test_what_is_asked_once_is_not_kept(world: World, valkey: redis.Redis, valkey_url: str) -> None:
    choosy = AnswerCache(valkey_url, TTL_S)
    object.__setattr__(world.app.state.runtime, "cache", choosy)
    reads = []
    for _ in range(3):
        ask(world, choosy)
        reads.append((is_read(world), len(entries(valkey))))
    # Asked first, then kept, then given again.
    assert reads == [(True, 0), (True, 1), (False, 1)]
    ask(world, choosy, ENDPOINTS[1])
    ask(world, choosy, of="WF-2")
    assert len(entries(valkey)) == 1


def test_an_answer_that_waits_to_be_written_is_given_again(
    world: World, cache: AnswerCache, valkey: redis.Redis, valkey_url: str
) -> None:
    def asked() -> bool:
        assert world.client.post(ENDPOINTS[0], json={"workflow_id": "WF-1"}).status_code == 200
        return not is_read(world)

    assert [asked(), asked()] == [False, True]
    assert (entries(valkey), cache.waiting_count) == ([], 1)
    put_new_stamp(Valkey(valkey_url))  # what waits rests on what is gone
    assert [asked(), asked()] == [False, True]
    cache.flush()
    assert (len(entries(valkey)), cache.waiting_count) == (1, 0)
    assert asked()


def test_an_answer_that_came_while_others_were_written_still_waits(
    world: World, cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.client.post(ENDPOINTS[0], json={"workflow_id": "WF-1"})
    write = cache._valkey.ask

    def write_slowly(commands: list[bytes]) -> Any:
        cache._waiting[next(iter(cache._waiting))] = b"younger"
        return write(commands)

    monkeypatch.setattr(cache._valkey, "ask", write_slowly)
    cache.flush()
    assert list(cache._waiting.values()) == [b"younger"]


def test_what_was_seen_long_ago_is_forgotten() -> None:
    seen = Seen(2)
    assert [seen.again(x) for x in "aabbcc"] == [False, True] * 3
    assert [seen.again(x) for x in "defga"] == [False] * 5
