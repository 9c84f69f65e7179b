"""What a model learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.learning.boosting import NO_HALF_LIFE
from pipelines.learning.examples import Values
from pipelines.learning.space import Space

Loss = Callable[[Values, Values, Values], float]
"""Takes what is said of rows, their targets, both in the model's own scale, and their weights."""


@dataclass(frozen=True)
class Problem:
    """LightGBM's objective, the loss that chooses (in its own unit), and what may be tried."""

    objective: Mapping[str, Any]
    loss: Loss
    loss_name: str
    space: Space = field(default_factory=Space)

    def price(self, loss: float, set_position: int, half_life_ratio: float = NO_HALF_LIFE) -> float:
        """Return a loss with what larger sets of columns and weights by age have to earn."""
        to_earn = self.space.least_gain * set_position
        if half_life_ratio != NO_HALF_LIFE:
            to_earn += self.space.recency_gain
        return loss * (1 + to_earn)
