"""How the service writes its log: for people, or one JSON object a line for machines."""

import logging
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from serving.tracing import trace_ids

# Libraries tell more than anybody asked; BentoML has a level of its own.
_OWN: Final = ("serving", "pipelines")
_WITH_HANDLERS: Final = ("bentoml", "uvicorn.error", "circus")


class TraceFilter(logging.Filter):
    """Add the ids of trace and span to records of a request that is traced."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if ids := trace_ids():
            record.trace_id, record.span_id = ids
        return True


def set_up_logs(*, as_json: bool) -> None:
    """Let our own loggers tell what happens; as JSON, write all of the process's log so."""
    for name in _OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    if not as_json:
        return
    handler = logging.StreamHandler()
    handler.addFilter(TraceFilter())
    handler.setFormatter(
        JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    for name in _WITH_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
