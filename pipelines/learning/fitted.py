"""What training a model gives, before anything is measured on test rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.learning.blend import Blend
from pipelines.learning.choice import Choice
from pipelines.learning.examples import Values


@dataclass(frozen=True)
class Fitted:
    """A model's scores, its shifts or calibration, and what chose them.

    `validation_raw` is what the tried forerunners of each score say of the validation rows.
    """

    scores: Mapping[str, Blend]
    constants: Mapping[str, Any]
    choice: Choice
    validation_raw: Mapping[str, Values] = field(repr=False)
