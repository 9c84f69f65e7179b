"""The drill tells what its questions got; the killing itself is Docker's and seen with Docker."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

from tests.infra.test_make_secrets import load_script

DRILL = load_script("drill")


@contextmanager
def service(answer: dict[str, object] | None, status: int, wait_s: float = 0) -> Iterator[str]:
    """A server that answers every question alike; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert (self.path, asked) == ("/predict_duration", {"workflow_id": "W-1"})
            assert self.headers["authorization"] == "Bearer secret"
            time.sleep(wait_s)
            self.send_response(status)
            self.end_headers()
            if answer is not None:
                self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_answers_are_counted_and_kept() -> None:
    answer = {"prediction_id": str(uuid4()), "is_degraded": True}
    with service(answer, 200) as address:
        questions = DRILL.Questions(address, "secret", ["W-1"], per_second=100)
        time.sleep(0.5)
        answers = questions.stop()
    (count,) = answers.outcomes.values()
    assert count > 5
    assert answers.outcomes == {"answered": count}
    assert answers.prediction_ids == [answer["prediction_id"]] * count
    assert answers.told().startswith(f"{count} answered; {count} degraded; slowest ")


def test_whoever_hangs_is_asked_on_and_waited_for() -> None:
    with service(None, 503, wait_s=0.7) as address:
        questions = DRILL.Questions(address, "secret", ["W-1"], per_second=50)
        time.sleep(0.5)
        answers = questions.stop()
    assert answers.outcomes["HTTP 503"] > 5
    assert answers.slowest_s >= 0.7
    assert not answers.prediction_ids


def test_what_is_no_answer_is_named() -> None:
    with service({"prediction_id": "1"}, 200) as address:
        questions = DRILL.Questions(address, "secret", ["W-1"], per_second=50)
        time.sleep(0.3)
        answers = questions.stop()
    assert set(answers.outcomes) == {"KeyError"}
    assert not answers.prediction_ids


def test_a_server_that_is_away_is_told() -> None:
    with service(None, 200) as address:
        pass
    questions = DRILL.Questions(address, "secret", ["W-1"], per_second=50)
    time.sleep(0.2)
    assert set(questions.stop().outcomes) == {"ConnectionRefusedError"}
