"""Stand in for prom/statsd-exporter, which Debian does not have: as much of it as Airflow needs.

Takes the flags of the compose file, maps names by the same file, and answers on port 9102.
"""

import re
import socketserver
import sys
from pathlib import Path
from typing import Any, ClassVar

import yaml
from prometheus_client import Gauge, Summary, start_http_server

# A Counter would be called …_total, which the exporter's counters are not.
KINDS: dict[str, Any] = {"c": Gauge, "g": Gauge, "ms": Summary}
METRICS: dict[str, Any] = {}


def mapped(name: str, mappings: list[dict[str, Any]]) -> tuple[str, dict[str, str]] | None:
    """Return the metric's name and labels, or None where the last mapping drops it."""
    for mapping in mappings:
        if mapping.get("match_type") == "regex":
            return None
        pattern = re.escape(mapping["match"]).replace(r"\*", "([^.]*)")
        if found := re.fullmatch(pattern, name):
            labels = mapping.get("labels", {}).items()
            return mapping["name"], {key: found[int(place[1:])] for key, place in labels}
    return None


class Datagram(socketserver.BaseRequestHandler):
    """One datagram of lines `name:value|kind`."""

    mappings: ClassVar[list[dict[str, Any]]]

    def handle(self) -> None:
        """Count it."""
        for line in self.request[0].decode().splitlines():
            name, _, rest = line.partition(":")
            value, kind, *_ = rest.split("|")
            if (target := mapped(name, self.mappings)) is None or kind not in KINDS:
                continue
            metric_name, labels = target
            if metric_name not in METRICS:
                METRICS[metric_name] = KINDS[kind](metric_name, "of Airflow", list(labels))
            metric = METRICS[metric_name].labels(**labels) if labels else METRICS[metric_name]
            if kind == "c":
                metric.inc(float(value))
            elif kind == "ms":
                metric.observe(float(value) / 1_000)
            elif value[0] in "+-":
                metric.inc(float(value))
            else:
                metric.set(float(value))


if __name__ == "__main__":
    flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    text = Path(flags["statsd.mapping-config"]).read_text()
    Datagram.mappings = yaml.safe_load(text)["mappings"]
    page_host, _, page_port = flags.get("web.listen-address", ":9102").rpartition(":")
    start_http_server(int(page_port), page_host or "0.0.0.0")  # noqa: S104 - a container
    host, _, port = flags["statsd.listen-udp"].rpartition(":")
    socketserver.UDPServer((host, int(port)), Datagram).serve_forever()
