"""Streams of random numbers: one for each purpose, so that one's use never moves another's."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import exp
from typing import Final, Generic, TypeVar
from zlib import crc32

import numpy as np

# A block drawn at once costs a tenth of single draws.
_BLOCK: Final = 8_192

T = TypeVar("T")


class Draws:
    """One stream, by seed and name."""

    def __init__(self, seed: int, name: str) -> None:
        self.generator = np.random.default_rng([seed, crc32(name.encode())])
        # Two children, so that normals and uniforms keep their own order.
        uniforms, normals = self.generator.spawn(2)
        self.uniform = _uniforms(uniforms).__next__
        self.normal = _normals(normals).__next__

    def lognormal(self, median: float, sigma: float) -> float:
        """Draw around `median`; two thirds lie within a factor of e^sigma."""
        return median * exp(sigma * self.normal())


class Weighted(Generic[T]):
    """Things to choose from, each with its weight."""

    def __init__(self, things: Sequence[T], weights: Iterable[float]) -> None:
        self.things = things
        self.bounds = list(accumulate(weights))

    def choose(self, draws: Draws) -> T:
        """Choose one at random."""
        place = bisect_right(self.bounds, draws.uniform() * self.bounds[-1])
        return self.things[min(place, len(self.things) - 1)]


def _uniforms(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.random(_BLOCK).tolist()


def _normals(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.standard_normal(_BLOCK).tolist()
