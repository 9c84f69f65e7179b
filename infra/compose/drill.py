"""Kill each server of the platform in containers in turn while the service is asked, and tell.

    python3 infra/compose/drill.py [--address URL] [--per-second N] [SERVER ...]

Needs the standard library only, and a platform with a history and models (`make demo
TARGET=compose`). Every process in a container is killed at once, as a full memory or a lost
machine would do it; Docker starts the container again. For each: how long until it was healthy,
how many questions were asked meanwhile, what they got. At the end every answer must be in the
prediction log. Not for an installation in use.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
QUIET_S: Final = 5.0  # of questions before the kill, and after the server is healthy
PATIENCE_S: Final = 600.0
# Those were known when they were asked about, so they are known now.
ASKED: Final = (
    "SELECT DISTINCT workflow_id FROM workcast.predictions "
    "WHERE model_name = 'remaining_time' AND variant IS DISTINCT FROM 'what_if' LIMIT 50"
)
LOGGED: Final = (
    "SELECT count(*) FROM workcast.predictions WHERE prediction_id = ANY (:'ids'::uuid[])"
)


@dataclass
class Answers:
    """What the questions asked so far got."""

    outcomes: Counter[str] = field(default_factory=Counter)
    prediction_ids: list[str] = field(default_factory=list)
    degraded_count: int = 0
    slowest_s: float = 0.0

    def told(self) -> str:
        """Return it in a line."""
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{outcomes}; {self.degraded_count} degraded; slowest {self.slowest_s:.1f} s"


class Questions:
    """Ask about one workflow after the other, `per_second` times a second, until stopped."""

    def __init__(self, address: str, token: str, ids: Sequence[str], per_second: float) -> None:
        """Start asking."""
        self.answers = Answers()
        self._url, self._token = f"{address}/predict_duration", token
        self._ids, self._pause_s = itertools.cycle(ids), 1 / per_second
        self._is_over, self._lock = threading.Event(), threading.Lock()
        self._asker = threading.Thread(target=self._run, daemon=True)
        self._asker.start()

    def stop(self) -> Answers:
        """Ask no more, wait for what was asked, and return what came."""
        self._is_over.set()
        self._asker.join()
        return self.answers

    def _run(self) -> None:
        # Nobody waits for an answer before asking the next question: a server that hangs shows.
        with ThreadPoolExecutor(256) as pool:
            while not self._is_over.wait(self._pause_s):
                pool.submit(self._ask, next(self._ids))

    def _ask(self, workflow_id: str) -> None:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        body = json.dumps({"workflow_id": workflow_id}).encode()
        request = urllib.request.Request(self._url, body, headers)  # noqa: S310 - given by hand
        began, is_degraded, prediction_ids = time.monotonic(), False, []
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                answer, outcome = json.load(response), "answered"
            is_degraded = answer["is_degraded"]
            prediction_ids = [str(uuid.UUID(answer["prediction_id"]))]
        except urllib.error.HTTPError as err:
            outcome = f"HTTP {err.code}"
        except (OSError, ValueError, KeyError) as err:
            outcome = type(getattr(err, "reason", err)).__name__
        with self._lock:
            self.answers.outcomes[outcome] += 1
            self.answers.slowest_s = max(self.answers.slowest_s, time.monotonic() - began)
            self.answers.degraded_count += is_degraded
            self.answers.prediction_ids += prediction_ids


def _docker(*words: str, text: str | None = None, may_fail: bool = False) -> str:
    """Return what a command of Docker printed; its errors go where ours go."""
    done = subprocess.run(  # noqa: S603 - no shell between
        ["docker", *words],  # noqa: S607 - whichever Docker the operator uses
        cwd=REPOSITORY, input=text, stdout=subprocess.PIPE, text=True, check=not may_fail,
    )  # fmt: skip
    return done.stdout.strip()


def _ask_database(script: str) -> list[str]:
    psql = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-d", "workcast", "-qAt")
    return _docker("compose", "exec", "-T", "postgres", *psql, text=script).splitlines()


def _containers(servers: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and id of every running container of the platform, or of some servers."""
    listed = _docker("compose", "ps", "--format", "{{.Name}} {{.ID}}", *servers)
    return [(name, id_) for name, _, id_ in (line.partition(" ") for line in listed.splitlines())]


def _kill(container: str) -> None:
    """Kill every process in a container but its init, which then ends it as well."""
    # From a container beside it: not every image has a shell of its own.
    image = os.environ.get("WORKCAST_IMAGE", "workcast:latest")
    beside = ("--pid", f"container:{container}", "--user", "0", "--network", "none")
    least = ("--cap-drop", "ALL", "--cap-add", "KILL", "--entrypoint", "sh")
    _docker("run", "--rm", *beside, *least, image, "-c", "kill -9 -1", may_fail=True)


def _state(container: str) -> tuple[str, str]:
    """Return when a container was started, and how it is."""
    health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
    started_at, state = _docker(
        "inspect", "-f", "{{.State.StartedAt}} " + health, container
    ).split()
    return started_at, state


def _drill(name: str, container: str, ask: Questions) -> Answers:
    time.sleep(QUIET_S)
    started_at, _ = _state(container)
    _kill(container)
    killed = time.monotonic()
    while (state := _state(container))[0] == started_at or state[1] not in {"healthy", "running"}:
        if time.monotonic() - killed > PATIENCE_S:
            sys.exit(f"{name} is not healthy {PATIENCE_S:.0f} s after it was killed: {state[1]}.")
        time.sleep(0.5)
    back_s = time.monotonic() - killed
    time.sleep(QUIET_S)
    answers = ask.stop()
    sys.stdout.write(f"{name}: back in {back_s:.0f} s; {answers.told()}\n")
    sys.stdout.flush()
    return answers


def main() -> None:
    """Drill the servers named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("servers", nargs="*", metavar="SERVER", help="as compose names it")
    parser.add_argument("--address", default="http://127.0.0.1:3000", help="who is asked")
    parser.add_argument("--per-second", type=float, default=3.0, help="questions, new every time")
    options = parser.parse_args()
    token = _docker(
        "compose", "run", "--rm", "-T", "--no-deps", "workcast", "token", "--role", "predict"
    )
    ids = _ask_database(ASKED)
    if not ids:
        sys.exit(
            "Nothing was ever asked, so nothing is asked again. Begin: make demo TARGET=compose"
        )
    given = [
        _drill(name, id_, Questions(options.address, token, ids, options.per_second))
        for name, id_ in _containers(options.servers)
    ]
    answered = [id_ for answers in given for id_ in answers.prediction_ids]
    logged, since = 0, time.monotonic()
    while logged < len(answered) and time.monotonic() - since < PATIENCE_S:
        logged = int(_ask_database(f"\\set ids '{{{','.join(answered)}}}'\n{LOGGED}")[0])
        time.sleep(1)
    sys.stdout.write(f"{len(answered)} answers, {logged} of them in the prediction log.\n")
    sys.exit(not answered or logged != len(answered))


if __name__ == "__main__":
    main()
