"""Read what the service counts for Prometheus."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from pipelines.bench.serving.load import Connection
from pipelines.bench.serving.questions import Asker


class Counters:
    """What all workers of a service had counted at one moment."""

    def __init__(self, asker: Asker, port: int) -> None:
        with Connection(port) as connection:
            _, body = connection.ask(asker.metrics())
        self._families = list(text_string_to_metric_families(body.decode()))

    def total(self, name: str, **labels: str) -> float:
        """Sum the samples of a name, for example `workcast_cache_total`, that carry the labels."""
        return sum(value for found, value in self._samples(name) if labels.items() <= found.items())

    def values(self, name: str, label: str) -> set[str]:
        """Return the values that a label takes."""
        return {found[label] for found, _ in self._samples(name) if label in found}

    def _samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        for family in self._families:
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value
