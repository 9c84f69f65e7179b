"""The Bento service; `bentoml serve serving.service:WorkcastService` starts it."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import bentoml

from pipelines.settings import get_settings
from serving.app import create_app
from serving.evenly import Evenly
from serving.front import Front
from serving.guard.headers import SecurityHeaders

if TYPE_CHECKING:
    from serving.runtime import Runtime

# Of a request's duration; 0.2 is the objective that infra/monitoring holds it to.
_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]


# BentoML keeps a timer for each request until this is over, answered or not: 66,000 take 49 MiB.
# The guard answers earlier, and with a problem.
_TIMEOUT_S = get_settings().request_timeout_s + 10
_LOADS = get_settings().home / "worker-loads"


def _open_runtime() -> "Runtime":
    """Open everything in the worker: BentoML's supervisor imports this module too."""
    from serving.lanes import take_short_turns  # noqa: PLC0415
    from serving.logs import set_up_logs  # noqa: PLC0415
    from serving.runtime import Runtime  # noqa: PLC0415 - Feast and MLflow, seconds to import

    settings = get_settings()
    set_up_logs(as_json=settings.has_json_logs)
    take_short_turns()
    return Runtime.open(settings)


app = create_app(_open_runtime, version("workcast"))


@bentoml.service(
    name="workcast",
    workers=1,
    traffic={"timeout": _TIMEOUT_S},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},  # BentoML's spans go nowhere, and cost more than an answer
    metrics={"enabled": True, "namespace": "workcast", "duration": {"buckets": _BUCKETS_S}},
)
@bentoml.asgi_app(app, path="/")
class WorkcastService:
    """Answers about running workflows, by the registered models."""


# mypy takes no notice of what a class decorator returns.
# The first of these is the outermost, and `Front` passes on to no other.
WorkcastService.add_asgi_middleware(Evenly, path=_LOADS)  # type: ignore[attr-defined]
WorkcastService.add_asgi_middleware(SecurityHeaders)  # type: ignore[attr-defined]
WorkcastService.add_asgi_middleware(Front, own=app)  # type: ignore[attr-defined]
