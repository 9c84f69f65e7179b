"""Measure who takes over: the recommender beside simple rankings, on the same questions.

At every event of the test workflows after which someone else goes on, everyone met so far but
the present person is ranked. What is known is what had happened by that event, in any workflow.
"""

from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, Final

import numpy as np
import pandas as pd

from pipelines.bench.assignee_baselines import BASELINES
from pipelines.bench.measure import Contender, Progress, Work, side_by_side
from pipelines.errors import BenchmarkError
from pipelines.learning.assignee.coded_log import CodedLog, Ints, Mask, Values, code_log
from pipelines.learning.assignee.pairs import Pairs, make_pairs
from pipelines.learning.assignee.ranker import fit_ranker
from pipelines.learning.assignee.ranking import (
    first_choices,
    load_metrics,
    ranking_metrics,
    ranks,
)
from pipelines.learning.assignee.rerank import share_load
from pipelines.learning.assignee.split import fit_and_validation, latest

PUBLIC: Final = "public"
STRICT: Final = "strict"
LEARNER: Final = "Workcast's recommender"
LOAD_SHARED: Final = f"{LEARNER}, load shared"
SHOWN: Final = {
    "top-1": "recall_at_1",
    "top-3": "recall_at_3",
    "top-5": "recall_at_5",
    "MRR": "mrr",
    "NDCG@5": "ndcg_at_5",
    "precision@3": "precision_at_3",
    "staff proposed": "staff_coverage_ratio",
    "load, Gini": "load_gini",
}
_LOAD_STRENGTH: Final = 0.25
_FEWEST_TRAIN: Final = 150  # a seventh of which validates
_FEWEST_TEST: Final = 10


@dataclass(frozen=True)
class Ranking:
    """Figures of one ranking of the test handovers.

    `seconds` are those of training and ranking, without the replay that all rankings share.
    """

    name: str
    track: str
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Track:
    """Handovers to train on: all for the baselines, the latest for the ranker."""

    name: str
    all: Mask
    latest: Mask


@dataclass(frozen=True)
class AssigneeFigures:
    """What was measured, on how many handovers.

    The public track trains on all handovers of all logs but the last. `overlap_count` of them
    were answered after the first test workflow had begun; the strict track leaves these out.
    `learned` says per track what validation chose. `actual_load_gini` is that of who really
    took over.
    """

    event_count: int
    person_count: int
    train_handover_count: int
    overlap_count: int
    test_handover_count: int
    candidate_recall: float
    actual_load_gini: float
    rankings: tuple[Ranking, ...]
    learned: dict[str, dict[str, Any]]
    replay_seconds: float
    seconds: float = 0.0
    peak_mib: float = 0.0


def measure_assignee(
    events: pd.DataFrame, seed: int = 0, progress: Progress | None = None
) -> AssigneeFigures:
    """Train on the first logs' handovers and rank those of the last, in a process of its own.

    Args:
        events: see `read_events`; at least two logs.
        seed: of the ranker.
        progress: see `side_by_side`.

    Raises:
        BenchmarkError: too few handovers to train on or to test on.
    """
    contender = Contender(LEARNER, partial(_prepare, events, seed))
    (measured,) = side_by_side([contender], 1, progress)
    figures: AssigneeFigures = measured.result
    return replace(figures, seconds=measured.median_s, peak_mib=measured.peak_mib)


def rank_handovers(events: pd.DataFrame, seed: int) -> AssigneeFigures:
    """Do in this process what `measure_assignee` says, without its seconds and memory."""
    log = code_log(events)
    is_test, tracks = split_tracks(log, events["log"].to_numpy()[log.row])
    begun = perf_counter()
    pairs = make_pairs(log, np.any([is_test, *(track.latest for track in tracks)], axis=0))
    replay_seconds = perf_counter() - begun
    test = pairs.where(is_test[pairs.position])
    rankings, learned = [], {}
    for track in tracks:
        for name, score in BASELINES.items():
            begun = perf_counter()
            rankings.append(_ranking(name, track, test, score(log, track.all, test), begun))
        begun = perf_counter()
        train = pairs.where(track.latest[pairs.position])
        position = train.position
        sides = fit_and_validation(log.time_s[position], log.next_time_s[position])
        ranker = fit_ranker(train, *sides, seed)
        scores = ranker.scores(test.matrix)
        rankings.append(_ranking(LEARNER, track, test, scores, begun))
        held_count = test.column("held_workflow_count").astype(float)
        shared = share_load(scores, test.question, held_count, _LOAD_STRENGTH)
        rankings.append(_ranking(LOAD_SHARED, track, test, shared, begun))
        learned[track.name] = dict(ranker.facts)
    train_count = int(tracks[0].all.sum())
    return AssigneeFigures(
        event_count=len(events),
        person_count=len(log.people),
        train_handover_count=train_count,
        overlap_count=train_count - int(tracks[-1].all.sum()),
        test_handover_count=int(is_test.sum()),
        candidate_recall=float(test.label.sum() / len(test.size)),
        actual_load_gini=load_metrics(test.truth, _staff(test))["load_gini"],
        rankings=tuple(rankings),
        learned=learned,
        replay_seconds=replay_seconds,
    )


def split_tracks(log: CodedLog, file: Ints) -> tuple[Mask, list[Track]]:
    """Return the test handovers, and those to train on: publicly and, where it differs, strictly.

    Args:
        log: events in order of time.
        file: position of each event's file; the last one tests.

    Raises:
        BenchmarkError: too few handovers on one side.
    """
    is_last = file == file.max()
    is_test, train = log.is_handover & is_last, log.is_handover & ~is_last
    first_test_s = log.events[int(np.argmax(is_last))].time_s
    answered = train & (log.next_time_s < first_test_s)
    sides = {"train": (train, _FEWEST_TRAIN), "test": (is_test, _FEWEST_TEST)}
    for side, (mask, least) in sides.items():
        if mask.sum() < least:
            raise BenchmarkError(
                f"{int(mask.sum())} {side} handovers, at least {least} are needed: give more."
            )
    tracks = [Track(PUBLIC, train, latest(log, train))]
    if _FEWEST_TRAIN <= answered.sum() < train.sum():
        tracks.append(Track(STRICT, answered, latest(log, answered)))
    return is_test, tracks


def assignee_rows(figures: AssigneeFigures) -> list[tuple[str, ...]]:
    """Return rows: ranking, track, figures, seconds."""
    return [
        (
            one.name,
            one.track,
            *(f"{one.metrics[name]:.3f}" for name in SHOWN.values()),
            f"{one.seconds:.1f}",
        )
        for one in figures.rankings
    ]


def _prepare(events: pd.DataFrame, seed: int) -> Work:
    return partial(rank_handovers, events, seed)


def _ranking(name: str, track: Track, test: Pairs, scores: Values, begun: float) -> Ranking:
    seconds = perf_counter() - begun
    spread = load_metrics(first_choices(test, scores), _staff(test))
    return Ranking(name, track.name, ranking_metrics(ranks(test, scores)) | spread, seconds)


def _staff(test: Pairs) -> Ints:
    return np.unique(test.candidate)
