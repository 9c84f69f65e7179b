"""Keep of what could be asked about what the service answers about."""

import json
from collections.abc import Sequence
from dataclasses import replace

from pipelines.bench.serving.known import Known
from pipelines.bench.serving.load import Connection
from pipelines.bench.serving.questions import Asker
from pipelines.errors import BenchmarkError

_OK = 200


def answerable(known: Known, asker: Asker, port: int) -> Known:
    """Ask about everything at once, and leave out what is answered by a problem.

    A workflow without an event young enough is one, for example.

    Raises:
        BenchmarkError: nothing is left, or the service answers none of it.
    """
    with Connection(port) as connection:

        def kept(kind: str, ids: Sequence[str]) -> list[str]:
            status, body = connection.ask(asker.many(kind, ids))
            if status != _OK:
                raise BenchmarkError(f"The service answers {status}: {body[:300]!r}")
            answered = {one[kind] for one in json.loads(body)["answers"]}
            if not answered:
                raise BenchmarkError(f"The service answers about none of the {len(ids)} {kind}s.")
            return [one for one in ids if one in answered]

        workflow_ids = kept("workflow_id", known.workflow_ids)
        task_ids = kept("task_id", known.task_ids)
    views = known.views[known.views["workflow_id"].isin(workflow_ids)]
    return replace(known, workflow_ids=workflow_ids, task_ids=task_ids, views=views)
