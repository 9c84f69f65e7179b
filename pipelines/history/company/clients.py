"""Clients: their segment and size, how quickly they answer, and how much they ask for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipelines.history.company.draws import Draws, Weighted

REGIONS: Final = ("north", "south", "east", "west", "centre", "coast", "hills", "lakes")

_SIZES: Final = Weighted(("small", "medium", "large"), (0.55, 0.32, 0.13))
_SEGMENTS: Final = Weighted(("retail", "industry", "public", "health"), (0.36, 0.32, 0.18, 0.14))
_ORDERS: Final = {"small": 1.0, "medium": 3.0, "large": 9.0}
_ANSWER_H: Final = {"retail": 7.0, "industry": 5.0, "public": 16.0, "health": 10.0}

_FIRST: Final = (
    "Alder", "Birch", "Cedar", "Delta", "Ember", "Falcon", "Granite", "Harbour", "Iris",
    "Juniper", "Keystone", "Lantern", "Meridian", "Northgate", "Orchard", "Pioneer", "Quarry",
    "Riverside", "Summit", "Tidewater", "Union", "Vista", "Willow", "Zephyr",
)  # fmt: skip
_LAST: Final = {
    "retail": ("Stores", "Market", "Outlet", "Traders"),
    "industry": ("Works", "Manufacturing", "Metals", "Logistics"),
    "public": ("Council", "Library", "School", "Transit"),
    "health": ("Clinic", "Hospital", "Care", "Pharmacy"),
}


@dataclass(frozen=True)
class Client:
    """Somebody who asks for workflows, always at the same site."""

    index: int
    client_id: str
    name: str
    segment: str
    size: str
    site: int
    region: str
    weight: float  # how much it orders
    answer_h: float  # median working hours until it answers a question


def find_clients(seed: int, demand: Sequence[float], count: int) -> list[Client]:
    """Draw `count` clients; those of site `i` together order in proportion to `demand[i]`."""
    draws = Draws(seed, "clients")
    site_count = len(demand)
    clients = []
    for number in range(count):
        size, segment = _SIZES.choose(draws), _SEGMENTS.choose(draws)
        site = number % site_count
        names = _LAST[segment]
        name = f"{_FIRST[number % len(_FIRST)]} {names[int(draws.uniform() * len(names))]}"
        clients.append(
            Client(
                index=number,
                client_id=f"C-{number + 1:05d}",
                name=f"{name} {number // len(_FIRST) + 1}",
                segment=segment,
                size=size,
                site=site,
                region=f"{REGIONS[site % len(REGIONS)]}-{site // len(REGIONS) + 1}",
                weight=draws.lognormal(_ORDERS[size], 0.5),
                answer_h=draws.lognormal(_ANSWER_H[segment], 0.4),
            )
        )
    orders = [sum(client.weight for client in clients[i::site_count]) for i in range(site_count)]
    return [
        replace(client, weight=client.weight * demand[client.site] / orders[client.site])
        for client in clients
    ]
