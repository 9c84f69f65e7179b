"""Stand in for otel/opentelemetry-collector-contrib, which Debian does not have.

Reads the configuration that the collector would read: takes spans by OTLP over HTTP, follows the
files of logs, and says every ten seconds how many of both came, from whom, and how many lines
belong to a trace whose spans came too. Sends nothing on.
"""

import gzip
import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PAUSE_S: Final = 10.0
SPANS: Counter[str] = Counter()
TRACES: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    """OTLP over HTTP, as protobuf."""

    def do_POST(self) -> None:
        """Count the spans."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    SPANS[span.name] += 1
                    TRACES.add(span.trace_id.hex())
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def follow(pattern: str) -> None:
    """Count lines by container, for good."""
    places: Counter[str] = Counter()
    while True:
        lines, as_json, traced = Counter[str](), Counter[str](), 0
        for path in Path("/").glob(pattern.removeprefix("/")):
            with path.open("rb") as file:
                file.seek(places[str(path)])
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    places[str(path)] += len(line)
                    record = json.loads(line)
                    name = record.get("attrs", {}).get("tag", "?")
                    lines[name] += 1
                    if record["log"].startswith("{"):
                        as_json[name] += 1
                        traced += json.loads(record["log"]).get("trace_id") in TRACES
        told = {"spans": SPANS, "lines": lines, "as_json": as_json, "lines_of_known_traces": traced}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    flags = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    receivers = yaml.safe_load(Path(flags["config"]).read_text())["receivers"]
    (logs,) = receivers["filelog"]["include"]
    threading.Thread(target=follow, args=(logs,), daemon=True).start()
    host, port = receivers["otlp"]["protocols"]["http"]["endpoint"].split(":")
    ThreadingHTTPServer((host, int(port)), Receiver).serve_forever()
