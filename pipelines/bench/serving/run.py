"""The whole benchmark of the service, part after part."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipelines.bench.serving.answerable import answerable
from pipelines.bench.serving.cached import HitRate, forget_answers, replay
from pipelines.bench.serving.champions import load_champions
from pipelines.bench.serving.counters import Counters
from pipelines.bench.serving.inference import inference_ms
from pipelines.bench.serving.known import known_now
from pipelines.bench.serving.load import Target
from pipelines.bench.serving.measure import (
    Comparison,
    Pair,
    Plan,
    Progress,
    compare,
    require_answers,
    until_answered,
)
from pipelines.bench.serving.programs import bare_server, running, service_program
from pipelines.bench.serving.questions import CANDIDATES, DURATION, HITS, Asker, bare_requests
from pipelines.bench.serving.soak import Soak, soak
from pipelines.bench.serving.swap import register_again
from pipelines.bench.serving.workload import Opening, workload
from pipelines.contracts import Model
from pipelines.errors import BenchmarkError
from pipelines.settings import Settings

_INFERENCE_COUNT: Final = 1_000
_ENDPOINT_CONNECTIONS: Final = 32
_INFERENCE: Final = "workcast_inference_seconds"


@dataclass
class Found:
    """What was measured; a part that was not asked for stays empty."""

    comparisons: list[Comparison] = field(default_factory=list)
    endpoints: list[Comparison] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    inference_within_ms: dict[str, float] = field(default_factory=dict)
    inference_ms: Mapping[str, Sequence[float]] = field(default_factory=dict)
    hit_rate: HitRate | None = None
    soak: Soak | None = None
    openings: Sequence[Opening] = ()


class Bench:
    """Measures the service of a platform whose stores and registry run.

    Raises:
        WorkcastError: the platform has not learned yet, or a server does not answer.
    """

    def __init__(self, settings: Settings, plan: Plan, progress: Progress) -> None:
        self.found = Found()
        self._settings = settings
        self._plan = plan
        self._progress = progress
        self._champions = load_champions(settings)
        self._known = known_now(settings)
        self._asker = Asker(settings, self._known)

    def own_services(self) -> Found:
        """Start the service in each way there is, and measure it.

        Raises:
            WorkcastError: a server does not start, or does not answer.
        """
        self._model_alone()
        forget_answers(self._settings.valkey)
        with self._service(workers=1, cache_ttl_s=self._settings.cache_ttl_s) as (port, _):
            self._cached(port)
        for number, workers in enumerate(self._plan.workers):
            with self._service(workers=workers, cache_ttl_s=0) as (port, process_id):
                self._beside_bare(port, workers)
                if workers == max(self._plan.workers) and self._plan.has_endpoints:
                    asked = {**self._asker.endpoints(), **self._asker.written()}
                    self._endpoints(port, workers, asked)
                if number == 0 and self._plan.soak_minutes:
                    self._soak(port, process_id)
        return self.found

    def running_service(self, port: int) -> Found:
        """Measure a service that runs, as it is set up.

        Raises:
            WorkcastError: a server does not start, or does not answer.
        """
        self._model_alone()
        self._get_ready(port)
        (workers,) = self._plan.workers
        self._beside_bare(port, workers)
        if self._plan.has_endpoints:
            self._endpoints(port, workers, self._asker.endpoints())
        return self.found

    def _model_alone(self) -> None:
        self._progress("the model alone", 0, 1)
        self.found.inference_ms = inference_ms(self._champions, _INFERENCE_COUNT)

    def _cached(self, port: int) -> None:
        """Replay the workload while the cache is empty, then ask for what it holds."""
        openings = self.found.openings = workload(self._known.views)
        self.found.hit_rate = replay(self._asker, openings, port)
        asked = self._asker.durations(dict.fromkeys(one.workflow_id for one in openings))
        with self._bare(workers=1) as bare:
            hits = Pair(HITS, Target(port, asked), self._row(bare, Model.REMAINING_TIME, 1))
            self.found.comparisons += self._compare([hits], [1], 1)

    def _beside_bare(self, port: int, workers: int) -> None:
        durations = Target(port, self._asker.durations(self._known.workflow_ids))
        with self._bare(workers) as bare:
            pairs = [Pair(DURATION, durations, self._row(bare, Model.REMAINING_TIME, 1))]
            for count, question in CANDIDATES.items():
                of_bare = self._row(bare, Model.ASSIGNEE, count)
                pairs.append(Pair(question, Target(port, self._asker.candidates(count)), of_bare))
            self.found.comparisons += self._compare(pairs, self._plan.connections, workers)

    def _endpoints(self, port: int, workers: int, asked: Mapping[str, Sequence[bytes]]) -> None:
        before = Counters(self._asker, port)
        pairs = []
        for question, requests in asked.items():
            pair = Pair(question, Target(port, requests))
            try:
                require_answers(question, pair.service)
            except BenchmarkError as err:  # a history may tell too little for one of the models
                self.found.unanswered.append(str(err))
            else:
                pairs.append(pair)
        self.found.endpoints = self._compare(pairs, [_ENDPOINT_CONNECTIONS], workers)
        after = Counters(self._asker, port)
        for model in sorted(after.values(f"{_INFERENCE}_count", "model")):
            seconds, count = (
                after.total(f"{_INFERENCE}_{of}", model=model)
                - before.total(f"{_INFERENCE}_{of}", model=model)
                for of in ("sum", "count")
            )
            if count:
                self.found.inference_within_ms[model] = seconds / count * 1_000

    def _soak(self, port: int, process_id: int) -> None:
        durations = Target(port, self._asker.durations(self._known.workflow_ids))
        with ThreadPoolExecutor(1) as pool:  # the swap must not keep the questions waiting
            swaps: list[Future[str]] = []
            self.found.soak = soak(
                durations,
                process_id,
                self._plan.soak_minutes,
                lambda: swaps.append(
                    pool.submit(register_again, self._settings, Model.REMAINING_TIME)
                ),
                self._progress,
            )
            for swap in swaps:
                swap.result()

    def _compare(
        self, pairs: Sequence[Pair], connections: Sequence[int], workers: int
    ) -> list[Comparison]:
        return compare(pairs, connections, workers, self._plan, self._progress)

    def _row(self, port: int, model: Model, count: int) -> Target:
        return Target(port, bare_requests(self._champions, model, count))

    @contextmanager
    def _service(self, workers: int, cache_ttl_s: int) -> Iterator[tuple[int, int]]:
        self._progress(f"starting the service, {workers} workers", 0, 1)
        program = service_program(self._settings, workers, cache_ttl_s)
        with running(self._settings.home, program) as process_id:
            self._get_ready(self._settings.service_port)
            yield self._settings.service_port, process_id

    def _get_ready(self, port: int) -> None:
        """Wait until all is read, and keep of what is known what is answered about."""
        for kind in ("workflow_id", "task_id"):
            ids = self._known.workflow_ids if kind == "workflow_id" else self._known.task_ids
            until_answered("/predict_duration", Target(port, [self._asker.many(kind, ids)]))
        self._known = answerable(self._known, self._asker, port)
        self._asker = Asker(self._settings, self._known)
        # Who did what is read from the lake behind the first answers, and would slow them down.
        for question, count in zip(CANDIDATES.values(), CANDIDATES, strict=True):
            until_answered(question, Target(port, self._asker.candidates(count)))

    @contextmanager
    def _bare(self, workers: int) -> Iterator[int]:
        with tempfile.TemporaryDirectory(prefix="workcast-bare-") as folder:
            for model, bare in self._champions.bare.items():
                bare.write(Path(folder) / model.value)
            with bare_server(self._settings, Path(folder), workers) as port:
                yield port
