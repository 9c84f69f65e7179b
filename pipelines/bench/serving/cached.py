"""Replay the recorded workload on a service that has answered nothing yet, and count its hits."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from pipelines.bench.serving.counters import Counters
from pipelines.bench.serving.load import Connection
from pipelines.bench.serving.questions import Asker
from pipelines.bench.serving.workload import Opening
from pipelines.contracts import Model

_ANSWERS = "workcast:answer:*"


@dataclass(frozen=True)
class HitRate:
    """What came of one replay."""

    asked_count: int
    workflow_count: int  # different ones
    hit_count: int

    @property
    def share(self) -> float:
        """Answers from the cache, of all."""
        return self.hit_count / self.asked_count


def forget_answers(valkey_url: str) -> None:
    """Drop the answers that an earlier run has left."""
    with redis.Redis.from_url(valkey_url) as client:
        for key in client.scan_iter(match=_ANSWERS):
            client.delete(key)


def replay(asker: Asker, openings: Sequence[Opening], port: int) -> HitRate:
    """Ask in the order of the workload, as fast as it is answered.

    Raises:
        BenchmarkError: the service does not answer.
    """
    before = _hits(asker, port)
    with Connection(port) as connection:
        for request in asker.durations(one.workflow_id for one in openings):
            connection.ask(request)
    found = _hits(asker, port) - before
    return HitRate(len(openings), len({one.workflow_id for one in openings}), round(found))


def _hits(asker: Asker, port: int) -> float:
    model = Model.REMAINING_TIME.value
    return Counters(asker, port).total("workcast_cache_total", model=model, result="hit")
