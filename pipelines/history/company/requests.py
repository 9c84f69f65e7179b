"""What a request says when it comes in, and what nobody can see yet."""

import json
from dataclasses import dataclass
from math import exp
from typing import Final

from pipelines.history.company.clients import Client
from pipelines.history.company.design import Company
from pipelines.history.company.draws import Draws, Weighted
from pipelines.history.company.templates import Template

_WORK_DAY_S: Final = 8 * 3600
_AMOUNTS: Final = {
    "lease": 18_000.0,
    "maintenance": 4_000.0,
    "rental": 7_000.0,
    "purchase": 25_000.0,
    "insurance": 9_000.0,
}
_SIZE_AMOUNT: Final = {"small": 0.5, "medium": 1.0, "large": 2.6}
_PRODUCT_COMPLEXITY: Final = {
    "lease": 0.1,
    "maintenance": -0.3,
    "rental": -0.2,
    "purchase": 0.2,
    "insurance": 0.5,
}
# Shares of urgent, high, normal and low.
_PRIORITIES: Final = {
    "retail": Weighted(range(4), (0.03, 0.12, 0.60, 0.25)),
    "industry": Weighted(range(4), (0.06, 0.22, 0.57, 0.15)),
    "public": Weighted(range(4), (0.02, 0.10, 0.56, 0.32)),
    "health": Weighted(range(4), (0.12, 0.26, 0.50, 0.12)),
}
_PROMISE_BY_RANK: Final = (0.55, 0.7, 0.92, 1.35)
_PROMISE_BY_SEGMENT: Final = {"retail": 1.0, "industry": 0.92, "public": 1.2, "health": 0.95}
_QUESTION_RATIO: Final = {"portal": 0.08, "email": 0.12, "phone": 0.10, "paper": 0.20}
_LATE_OPENING_RATIO: Final = {"portal": 0.0, "email": 0.02, "phone": 0.01, "paper": 0.12}
_WITHDRAWN_RATIO: Final = {"small": 0.05, "medium": 0.03, "large": 0.02}


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the first four fields are known at opening, the rest shows itself later."""

    rank: int
    due_at: int
    attributes: str  # JSON
    delay_s: int  # until the opening is written down
    complexity: float
    question_ratio: float
    is_rejected: bool
    withdrawn_after_s: int | None


class Requests:
    """Draws requests that fit template, client and channel."""

    def __init__(self, company: Company, seed: int) -> None:
        self._office = company.office
        self._draws = Draws(seed, "request details")
        self._hidden = Draws(seed, "hidden")

    def draw(self, template: Template, client: Client, channel: str, at: int) -> Request:
        """Draw a request made at `at`."""
        draws, hidden = self._draws, self._hidden
        rank = _PRIORITIES[client.segment].choose(draws)
        product = template.products[int(draws.uniform() * len(template.products))]
        amount = draws.lognormal(_AMOUNTS[product] * _SIZE_AMOUNT[client.size], 0.7)
        # How far the amount lies from the product's usual one, on a log scale around 0.
        size = min(2.0, max(-2.0, (amount / _AMOUNTS[product] - 1) / 1.5))
        complexity = 2.9 + _PRODUCT_COMPLEXITY[product] + 0.45 * size + 0.65 * hidden.normal()
        if channel == "paper":
            complexity += 0.3
        days = template.promised_days * _PROMISE_BY_RANK[rank]
        days *= _PROMISE_BY_SEGMENT[client.segment]
        promised_s = max(1, round(2 * days)) * _WORK_DAY_S // 2
        attributes = {
            "amount": round(amount, 2),
            "channel": channel,
            "product": product,
            "region": client.region,
            "segment": client.segment,
        }
        return Request(
            rank=rank,
            due_at=self._office.finish(at, promised_s),
            attributes=json.dumps(attributes),
            delay_s=self._delay_s(channel),
            complexity=min(5.0, max(1.0, complexity)),
            question_ratio=_QUESTION_RATIO[channel] * (0.4 + 0.2 * complexity),
            is_rejected=hidden.uniform() < _rejected_ratio(template, size, channel),
            withdrawn_after_s=self._withdrawn_after_s(client, at, promised_s),
        )

    def _delay_s(self, channel: str) -> int:
        if self._draws.uniform() >= _LATE_OPENING_RATIO[channel]:
            return 0
        return 600 + int(self._draws.lognormal(10_800, 1.0))

    def _withdrawn_after_s(self, client: Client, at: int, promised_s: int) -> int | None:
        chance, part = self._hidden.uniform(), 0.1 + 1.2 * self._hidden.uniform()
        if chance >= _WITHDRAWN_RATIO[client.size]:
            return None
        return self._office.after(at, int(part * promised_s)) - at


def _rejected_ratio(template: Template, size: float, channel: str) -> float:
    """Chance of a rejection: large amounts and paper are refused more often."""
    odds = template.rejected_ratio / (1 - template.rejected_ratio)
    odds *= exp(0.5 * size + (0.4 if channel == "paper" else 0.0))
    return odds / (1 + odds)
