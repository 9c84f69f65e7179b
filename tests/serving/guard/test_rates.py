import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from pipelines.store.valkey import Valkey, command
from serving.guard.rates import WINDOW_S, Rates

AWAY = "redis://127.0.0.1:1/0"
START = 1_000_000 * WINDOW_S


class Clock:
    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("serving.guard.rates.time.time", made)
    return made


@pytest.fixture
def server(valkey_url: str) -> Iterator[str]:
    yield valkey_url
    Valkey(valkey_url).ask([command(b"FLUSHALL")])


def ask(rates: Rates, client: str, times: int) -> list[bool]:
    return [rates.ask(client).is_allowed for _ in range(times)]


def test_each_client_has_its_own_limit(clock: Clock) -> None:
    rates = Rates(Valkey(AWAY), 3)
    assert ask(rates, "ann", 5) == [True, True, True, False, False]
    assert ask(rates, "bob", 3) == [True, True, True]


def test_headers_count_down(clock: Clock) -> None:
    rates = Rates(Valkey(AWAY), 2)
    clock.now += 20
    assert rates.ask("ann").headers == [
        (b"ratelimit-limit", b"2"),
        (b"ratelimit-remaining", b"1"),
        (b"ratelimit-reset", b"40"),
    ]
    assert rates.ask("ann").remaining_count == 0
    refused = rates.ask("ann")
    assert (refused.is_allowed, refused.remaining_count) == (False, 0)


@pytest.mark.parametrize(("limit", "asked_at_s"), [(1, 0), (2, 20), (10, 0), (10, 59), (600, 30)])
def test_who_waits_as_long_as_told_is_let_through(
    clock: Clock, limit: int, asked_at_s: int
) -> None:
    rates = Rates(Valkey(AWAY), limit)
    clock.now += asked_at_s
    assert all(ask(rates, "ann", limit))
    for _ in range(3):  # refusals do not put it off
        wait_s = rates.ask("ann").reset_s
    clock.now += wait_s - 1.5
    assert not rates.ask("ann").is_allowed
    clock.now += 1.5
    assert rates.ask("ann").is_allowed


def test_wait_for_the_window_before_to_slide_out(clock: Clock) -> None:
    rates = Rates(Valkey(AWAY), 10)
    clock.now += 30
    assert all(ask(rates, "ann", 10))
    clock.now += 30 + 12  # eight of the ten still count
    assert ask(rates, "ann", 3) == [True, True, False]
    assert rates.ask("ann").reset_s == 6  # when only seven do
    clock.now += 5.9
    assert not rates.ask("ann").is_allowed
    clock.now += 0.1
    assert rates.ask("ann").is_allowed


def test_window_slides(clock: Clock) -> None:
    rates = Rates(Valkey(AWAY), 100)
    clock.now += 50
    assert all(ask(rates, "ann", 100))
    clock.now += 10 + 15  # a quarter of the window before has slid out
    assert ask(rates, "ann", 26) == [True] * 25 + [False]
    clock.now += 2 * WINDOW_S
    assert ask(rates, "ann", 101) == [True] * 100 + [False]


def test_workers_count_together(clock: Clock, server: str) -> None:
    one, two = (Rates(Valkey(server), 10) for _ in range(2))
    ask(one, "ann", 6)
    one.sync()
    ask(two, "ann", 3)
    two.sync()  # now it knows of nine
    assert ask(two, "ann", 2) == [True, False]
    two.sync()
    ask(one, "ann", 1)
    one.sync()
    assert ask(one, "ann", 1) == [False]
    assert ask(two, "bob", 1) == [True]


def test_what_comes_during_a_round_trip_counts(
    clock: Clock, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = Rates(Valkey(server), 10)
    ask(rates, "ann", 4)
    add = rates._add

    def slow_add(owed: Any) -> Any:
        totals = add(owed)
        ask(rates, "ann", 5)
        return totals

    monkeypatch.setattr(rates, "_add", slow_add)
    rates.sync()
    assert ask(rates, "ann", 2) == [True, False]


def test_next_worker_knows_the_window_before(clock: Clock, server: str) -> None:
    one, two = (Rates(Valkey(server), 10) for _ in range(2))
    ask(one, "ann", 10)
    one.sync()
    clock.now += WINDOW_S + 30  # half of them count
    ask(two, "ann", 1)
    two.sync()
    assert ask(two, "ann", 5) == [True] * 4 + [False]


def test_counts_leave_valkey_by_themselves(clock: Clock, server: str) -> None:
    rates = Rates(Valkey(server), 10)
    ask(rates, "ann", 1)
    rates.sync()
    name = f"workcast:requests:ann:{START // WINDOW_S}".encode()
    (left_s,) = Valkey(server).ask([command(b"TTL", name)])
    assert 2 * WINDOW_S < left_s <= 2 * WINDOW_S + 10


def test_without_valkey_each_worker_limits_alone(
    clock: Clock, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = Rates(Valkey(AWAY), 4)
    before = REGISTRY.get_sample_value("workcast_rate_limit_failures_total") or 0
    ask(rates, "ann", 3)
    rates.sync()
    rates.sync()  # not asked again at once
    assert REGISTRY.get_sample_value("workcast_rate_limit_failures_total") == before + 1
    assert ask(rates, "ann", 2) == [True, False]

    rates._valkey, later = Valkey(server), time.monotonic() + 10
    monkeypatch.setattr("serving.guard.rates.time.monotonic", lambda: later)
    rates.sync()
    (count,) = Valkey(server).ask(
        [command(b"GET", f"workcast:requests:ann:{START // WINDOW_S}".encode())]
    )
    assert count == b"4"  # handed in once Valkey was back


def test_idle_clients_are_forgotten(clock: Clock, server: str) -> None:
    rates = Rates(Valkey(server), 10)
    for i in range(50):
        ask(rates, f"client {i}", 1)
    rates.sync()
    clock.now += 2 * WINDOW_S
    ask(rates, "ann", 1)
    rates.sync()
    assert set(rates._counters) == {"ann"}
