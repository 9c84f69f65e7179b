"""Tell by the exit code whether a page answers: the health check of containers.

    python -m pipelines.platform.probe [--reachable] URL [COMPONENT]

With COMPONENT the page is Airflow's health as JSON, of which that part must be healthy. With
--reachable a page that does not answer says nothing: whoever serves it has a check of its own.
Only the standard library is imported, so that a check costs a twentieth of a second.
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Final

_TIMEOUT_S: Final = 5.0


def fault(url: str, component: str | None = None, *, must_answer: bool = True) -> str | None:
    """Return what is wrong with the page, or None."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_TIMEOUT_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as err:
        return f"{url}: {err}" if must_answer else None
    if component is None:
        return None
    state = (json.loads(content).get(component) or {}).get("status")
    return None if state == "healthy" else f"{component} is {state}"


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--reachable"]
    sys.exit(fault(*words, must_answer=len(words) == len(sys.argv) - 1))
