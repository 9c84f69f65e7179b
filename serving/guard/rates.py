"""How often each client may ask: a sliding window, counted here and added up in Valkey.

The window is approximated by two fixed ones (the one before counts by the share of it that the
sliding window still covers), as limits, Nginx and Cloudflare do. A request is decided in memory,
by what Valkey last said of all workers and what came here since; a thread brings the counts
together ten times a second, in one round trip. So no request waits for Valkey, and where Valkey
is away each worker goes on with its own counts. The price: workers together may let through
what comes in a tenth of a second too much.
"""

import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import redis

from pipelines.store.valkey import Valkey, command, require
from serving import metrics

logger = logging.getLogger(__name__)

WINDOW_S: Final = 60
SYNC_S: Final = 0.1
_RETRY_S: Final = 2.0
_KEY: Final = "workcast:requests:"


@dataclass(frozen=True)
class Verdict:
    """What the limit says of one request, and what a client should know of it."""

    is_allowed: bool
    limit_count: int
    remaining_count: int
    reset_s: int  # the window ends then; refused: a request will be let through then

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-03, which clients know best."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit_count),
            (b"ratelimit-remaining", b"%d" % self.remaining_count),
            (b"ratelimit-reset", b"%d" % self.reset_s),
        ]


@dataclass
class _Counter:
    window: int
    count: int = 0  # in this window, of all workers as far as known
    previous_count: int = 0


class Rates:
    """Decide about requests of clients; `sync` shares the counts among workers."""

    def __init__(self, valkey: Valkey, limit_count: int) -> None:
        self._valkey = valkey
        self._limit = limit_count
        self._lock = threading.Lock()
        self._counters: dict[str, _Counter] = {}
        self._owed: dict[tuple[str, int], int] = {}  # counted here, not in Valkey yet
        self._asked_again_at = 0.0
        self._is_away = False

    def ask(self, client: str) -> Verdict:
        """Count a request of a client, unless it is one too many."""
        window, elapsed_s = divmod(time.time(), WINDOW_S)
        with self._lock:
            counter = self._counter(client, int(window))
            covered = counter.previous_count * (1 - elapsed_s / WINDOW_S)
            free = self._limit - counter.count - covered
            if free < 1:
                return Verdict(
                    is_allowed=False,
                    limit_count=self._limit,
                    remaining_count=0,
                    reset_s=self._wait_s(counter, elapsed_s),
                )
            counter.count += 1
            owed = (client, counter.window)
            self._owed[owed] = self._owed.get(owed, 0) + 1
        return Verdict(
            is_allowed=True,
            limit_count=self._limit,
            remaining_count=int(free) - 1,
            reset_s=math.ceil(WINDOW_S - elapsed_s),
        )

    def sync(self) -> None:
        """Add what was counted here to Valkey's counts and take those over."""
        if not self._owed or time.monotonic() < self._asked_again_at:
            return
        window = int(time.time() // WINDOW_S)
        with self._lock:
            self._forget(before=window - 1)
            owed, self._owed = self._owed, {}
        try:
            totals = self._add(owed)
        except redis.RedisError as err:
            self._away(owed, err)
            return
        if self._is_away:
            logger.info("Valkey counts requests again")
        self._is_away = False
        with self._lock:
            for (client, window), (count, previous_count) in totals.items():
                counter = self._counters.get(client)
                if counter is not None and counter.window == window:
                    counter.count = count + self._owed.get((client, window), 0)
                    counter.previous_count = max(previous_count, counter.previous_count)

    def close(self) -> None:
        """Hand in the last counts and close the connection."""
        self.sync()
        self._valkey.close()

    def _counter(self, client: str, window: int) -> _Counter:
        counter = self._counters.get(client)
        if counter is None:
            counter = self._counters[client] = _Counter(window)
        elif counter.window != window:
            is_next = counter.window == window - 1
            counter.previous_count = counter.count if is_next else 0
            counter.window, counter.count = window, 0
        return counter

    def _wait_s(self, counter: _Counter, elapsed_s: float) -> int:
        """Return the seconds until the sliding window has room for one more."""
        rest_s = WINDOW_S - elapsed_s
        room = self._limit - 1 - counter.count
        if room >= 0:  # once enough of the window before has slid out of it
            return max(1, math.ceil(rest_s - WINDOW_S * room / counter.previous_count))
        # This window will be the one before, and covered less and less.
        return math.ceil(rest_s + WINDOW_S * (1 - (self._limit - 1) / counter.count))

    def _add(self, owed: Mapping[tuple[str, int], int]) -> dict[tuple[str, int], tuple[int, int]]:
        commands = []
        for (client, window), count in owed.items():
            name = f"{_KEY}{client}:{window}".encode()
            commands += [
                command(b"INCRBY", name, b"%d" % count),
                command(b"EXPIRE", name, b"%d" % (2 * WINDOW_S + 10)),
                command(b"GET", f"{_KEY}{client}:{window - 1}".encode()),
            ]
        replies = [require(reply) for reply in self._valkey.ask(commands)]
        return {
            key: (int(count), int(previous or 0))
            for key, count, previous in zip(owed, replies[::3], replies[2::3], strict=True)
        }

    def _away(self, owed: Mapping[tuple[str, int], int], err: redis.RedisError) -> None:
        metrics.RATE_FAILURES.inc()
        if not self._is_away:
            logger.warning("Requests are counted by each worker alone: no Valkey (%s)", err)
        self._is_away = True
        self._asked_again_at = time.monotonic() + _RETRY_S
        with self._lock:
            for key, count in owed.items():
                self._owed[key] = self._owed.get(key, 0) + count

    def _forget(self, before: int) -> None:
        """Drop what no sliding window reaches any more."""
        if any(window < before for _, window in self._owed):
            self._owed = {key: n for key, n in self._owed.items() if key[1] >= before}
        if len(self._counters) > len(self._owed):
            stale = [c for c, counter in self._counters.items() if counter.window < before]
            for client in stale:
                del self._counters[client]
