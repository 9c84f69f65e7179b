"""Answers kept in Valkey, for as long as nothing they rest on has changed.

An entry belongs to a model, a version and its variant, a workflow and what was asked about it. In
it stands what it was made from: the stamp of the online store's content, the times of the
workflow's own rows, which tell of rows that somebody else has written, the clock, and whatever
else the question names. One round trip brings these and the entry; it counts only where they
agree. An answer from the cache is a new one, with an id of its own in the log.

What is asked for the first time is neither looked for nor kept: most questions are asked once,
and they shall not pay for those that are asked again. Entries are written behind the answers;
until then they are found where they wait. While Valkey is slow or away the circuit breaker keeps
everybody from asking.
"""

import json
import logging
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Self

import redis
from circuitbreaker import CircuitBreaker
from pydantic import BaseModel

from pipelines.contracts import FeatureView
from pipelines.features.views import VIEWS
from pipelines.store.addresses import Entity, timestamp_field
from pipelines.store.clock import microseconds
from pipelines.store.stamp import STAMP_KEY
from pipelines.store.valkey import Valkey, bulk, command, command_start, require
from serving.poller import Poller
from serving.schemas import Answer
from serving.traffic import Choice

logger = logging.getLogger(__name__)

# Longer than this is no gain over making the answer.
_ANSWER_SECONDS: Final = 0.05
_PAUSE_SECONDS: Final = 2
_FLUSH_SECONDS: Final = 0.1
_MOST_WAITING: Final = 2_000
_REMEMBERED: Final = 50_000
_START: Final = b'{"prediction_id":"'
_ID_LENGTH: Final = 36
_DIGEST_BYTES: Final = 16
_OWN_VIEWS: Final = (FeatureView.WORKFLOW_PROGRESS, FeatureView.WORKFLOW_STATUS)


def _form_of_answers() -> str:
    """Return what changes with the form of any answer: another release reads its own entries."""
    forms = sorted(json.dumps(kind.model_json_schema()) for kind in Answer.__subclasses__())
    return blake2b("".join(forms).encode(), digest_size=6).hexdigest()


_LAYOUT: Final = 2  # of an entry
_PREFIX: Final = f"workcast:answer:{_LAYOUT}-{_form_of_answers()}"


class Result(StrEnum):
    """What came of looking for an answer."""

    HIT = "hit"
    MISS = "miss"
    FIRST = "first"  # not asked for lately: not looked for
    BYPASS = "bypass"  # the cache is off or away, or may not be believed now


@dataclass(frozen=True)
class Subject:
    """What an answer is about, and what it rests on that neither store nor clock tell."""

    workflow_id: str
    asked: str = ""  # about it, where that is not the same for every question; a digest
    rests_on: str = ""  # a digest

    @classmethod
    def of(cls, workflow_id: str, question: BaseModel, *rests_on: object) -> Self:
        """Take a question and what its answer rests on; that is told apart by its `repr`."""
        return cls(workflow_id, _digest(question.model_dump_json()), _digest(repr(rests_on)))


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class Found:
    """What looking for an answer gave: where one belongs, what it must rest on, perhaps itself."""

    result: Result
    key: bytes = b""
    basis: bytes = b""
    output: bytes = b""  # of the prediction that was kept, as it was logged; JSON
    first_id: str = ""  # its id
    rest: bytes = b""  # the JSON of the answer behind the id

    def body(self, prediction_id: str) -> bytes:
        """Return the answer as JSON, under a new id."""
        return _START + prediction_id.encode() + self.rest


BYPASSED: Final = Found(Result.BYPASS)
_FIRST: Final = Found(Result.FIRST)


def _found(key: bytes, basis: bytes, entries: Iterable[bytes | None]) -> Found:
    """Return the entry that rests on what it must, if one does."""
    for entry in entries:
        if entry is not None and entry.startswith(basis + b"\n"):
            _, output, kept = entry.split(b"\n", 2)
            first_id, rest = kept[:_ID_LENGTH].decode(), kept[_ID_LENGTH:]
            return Found(Result.HIT, key, basis, output, first_id, rest)
    return Found(Result.MISS, key, basis)


def _hex(times: Iterable[bytes | None]) -> bytes:
    return b",".join(b"" if time is None else time.hex().encode() for time in times)


class Seen:
    """Remember at least the last `count` things, at most twice as many."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._young: set[Hashable] = set()
        self._old: set[Hashable] = set()

    def again(self, thing: Hashable) -> bool:
        """Tell whether a thing has been seen, and remember it."""
        young = self._young
        if thing in young:
            return True
        young.add(thing)
        is_known = thing in self._old
        if len(young) > self._count:  # two threads may do so: then some is forgotten early
            self._old, self._young = young, set()
        return is_known


class AnswerCache:
    """Finds and keeps answers; with a time to live of 0 it does neither."""

    def __init__(self, url: str, ttl_s: int, *, is_first_kept: bool = False) -> None:
        self.is_on = ttl_s > 0
        self._seen = None if is_first_kept else Seen(_REMEMBERED)
        self._valkey = Valkey(url, _ANSWER_SECONDS, _ANSWER_SECONDS)
        self._expiry = bulk(b"EX") + bulk(b"%d" % ttl_s)
        self._breaker = CircuitBreaker(1, _PAUSE_SECONDS, redis.RedisError, "answer-cache")
        self._waiting: dict[bytes, bytes] = {}  # entries by key, until they are written
        self._writer = Poller("answer-cache", self.flush, _FLUSH_SECONDS)
        entity = Entity(VIEWS[FeatureView.WORKFLOW_PROGRESS].entity_columns)
        self._address = entity.address
        self._get_stamp = command(b"GET", STAMP_KEY)
        fields = [timestamp_field(view) for view in _OWN_VIEWS]
        self._times_start = command_start(b"HMGET", 1 + len(fields))
        self._times_end = b"".join(map(bulk, fields))

    def start(self) -> None:
        """Start writing what is kept."""
        if self.is_on:
            self._writer.start()

    def stop(self) -> None:
        """Stop writing; what waits is dropped."""
        self._writer.stop()
        self._valkey.close()

    @property
    def waiting_count(self) -> int:
        """How many entries wait to be written."""
        return len(self._waiting)

    def find(self, choice: Choice, subjects: Sequence[Subject], as_of: datetime) -> list[Found]:
        """Look for answers, all in one round trip; return what came of each, in their order."""
        if not self.is_on or self._breaker.opened:
            return [BYPASSED] * len(subjects)
        found = [self._place(choice, subject) for subject in subjects]
        sought = [i for i, one in enumerate(found) if one is not _FIRST]
        if sought:
            read = self._read([(subjects[i], found[i].key) for i in sought], as_of)
            for i, one in zip(sought, read, strict=True):
                found[i] = one
        return found

    def _place(self, choice: Choice, subject: Subject) -> Found:
        """Say where an answer belongs; of what is asked for the first time nowhere."""
        loaded, about = choice.loaded, f"{subject.workflow_id}{subject.asked}"
        if self._seen is not None and not self._seen.again((loaded.name, about)):
            return _FIRST
        version = f"{loaded.name}:{loaded.version}:{choice.variant}"
        return Found(Result.MISS, f"{_PREFIX}:{version}:{about}".encode(errors="surrogatepass"))

    def _read(self, sought: Sequence[tuple[Subject, bytes]], as_of: datetime) -> list[Found]:
        """Read what lies at some keys, and what it must rest on."""
        # Before Valkey is asked: then an entry is in one of them.
        waiting = [self._waiting.get(key) for _, key in sought]
        commands = [self._get_stamp]
        for subject, key in sought:
            address = self._address((subject.workflow_id,))
            commands.append(self._times_start + bulk(address) + self._times_end)
            commands.append(command(b"GET", key))
        try:
            with self._breaker:
                stamp, *read = map(require, self._valkey.ask(commands))
        except redis.RedisError as err:
            logger.warning("Answers are not looked for in the cache for now: %s", err)
            stamp = None
        if stamp is None:  # or features are being written
            return [BYPASSED] * len(sought)
        now = b"%b,%d" % (stamp, microseconds(as_of))
        return [
            _found(key, b"%b,%b,%b" % (now, _hex(times), subject.rests_on.encode()), (waits, entry))
            for (subject, key), waits, times, entry in zip(
                sought, waiting, read[::2], read[1::2], strict=True
            )
        ]

    def keep(self, found: Found, body: bytes, output: bytes) -> None:
        """Keep the answer that was missed, unless too many wait; it is written soon.

        `body` is its JSON and begins with its id; `output` is what of it is logged, as JSON.
        """
        if len(self._waiting) < _MOST_WAITING:
            self._waiting[found.key] = b"\n".join((found.basis, output, body[len(_START) :]))

    def flush(self) -> None:
        """Write what waits; where Valkey does not take it, it is dropped."""
        entries = self._waiting.copy()
        start = command_start(b"SET", 4)
        try:
            if entries and not self._breaker.opened:
                with self._breaker:
                    self._valkey.ask(
                        [start + bulk(k) + bulk(e) + self._expiry for k, e in entries.items()]
                    )
        except redis.RedisError as err:
            logger.warning("Answers are not kept in the cache for now: %s", err)
        for key, entry in entries.items():
            if self._waiting[key] is entry:  # else a younger one waits since
                del self._waiting[key]
