"""The Bento service; `bentoml serve serving.service:WorkcastService` starts it."""

from importlib.metadata import version

import bentoml

from pipelines.settings import get_settings
from serving.app import create_app
from serving.front import Front
from serving.runtime import Runtime

# The settings are read when a worker starts, not when this module is imported.
app = create_app(lambda: Runtime.open(get_settings()), version("workcast"))


@bentoml.service(
    name="workcast",
    workers=1,
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True, "namespace": "workcast"},
)
@bentoml.asgi_app(app, path="/")
class WorkcastService:
    """Answers about running workflows, by the registered models."""


# mypy takes no notice of what a class decorator returns.
WorkcastService.add_asgi_middleware(Front, own=app)  # type: ignore[attr-defined]
