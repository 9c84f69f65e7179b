import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.platform.probe import fault

HEALTH = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(json.dumps(HEALTH).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("path", "component", "expected"),
    [
        ("/health", None, None),
        ("/health", "scheduler", None),
        ("/health", "triggerer", "triggerer is None"),
        ("/health", "dag_processor", "dag_processor is None"),
        ("/busy", None, "/busy: HTTP Error 503: Service Unavailable"),
    ],
)
def test_a_page_or_a_part_of_airflow_is_healthy_or_not(
    address: str, path: str, component: str | None, expected: str | None
) -> None:
    found = fault(address + path, component)
    assert (found and found.removeprefix(address)) == expected


def test_a_page_that_must_not_answer_is_not_at_fault_but_what_it_says_counts(address: str) -> None:
    assert fault(f"{address}/busy", "scheduler", must_answer=False) is None
    told = fault(f"{address}/health", "triggerer", must_answer=False)
    assert told == "triggerer is None"


def test_the_exit_code_tells_and_no_library_is_imported(address: str) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['probe', '{address}/health', 'scheduler']\n"
        "try: runpy.run_module('pipelines.platform.probe', run_name='__main__')\n"
        "except SystemExit as end: assert end.code is None, end.code\n"
        "print(*sorted({'httpx', 'pydantic', 'redis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    command = [sys.executable, "-m", "pipelines.platform.probe", f"{address}/busy"]
    assert subprocess.run([*command[:3], "--reachable", *command[3:]], check=False).returncode == 0
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (failed.returncode, "503" in failed.stderr) == (1, True)
