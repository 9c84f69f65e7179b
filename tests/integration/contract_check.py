"""Ask a live service what its own OpenAPI document lets one ask, and what it does not."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.engine import Status, events, from_schema

_CONFIG: Mapping[str, Any] = {
    "seed": 1,  # what CI sees, everybody sees
    "cache": {"enabled": False},
    "continue-on-failure": True,
    "generation": {"deterministic": True, "no-shrink": True, "database": "none"},
    # Answers lead to no further operation.
    "phases": {"stateful": {"enabled": False}},
    "checks": {
        # A sound question about what nobody knows is answered by 404 or 422: that is no fault.
        "positive_data_acceptance": {"enabled": False},
        # Each caller is given its own token, and looked at by name.
        "ignored_auth": {"enabled": False},
        "object_level_authorization": {"enabled": False},
    },
}

Change = Callable[[Any], Any]


def faults_of(
    url: str,
    headers: Mapping[str, str],
    *,
    example_count: int,
    has_borders: bool = True,
    change_body: Change = lambda body: body,
    seed: int = 1,
) -> tuple[list[str], dict[str, set[int]]]:
    """Try every operation: its examples, the borders of each field, and what chance makes up.

    Args:
        url: of the service.
        headers: that every request carries.
        example_count: of each operation by chance.
        has_borders: whether the borders of each field come on top.
        change_body: puts ids that exist into a body that is as declared.
        seed: of chance.

    Returns:
        What was not as declared, each with a command that shows it, and by operation the
        statuses that came.
    """
    config = schemathesis.Config.from_dict({**_CONFIG, "seed": seed})
    config.projects.default.generation.update(max_examples=example_count)
    config.projects.default.update(headers=dict(headers), request_timeout=60)
    config.projects.default.phases.coverage.enabled = has_borders
    api = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)

    @api.hook
    def map_case(_: Any, case: Case) -> Case:
        if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
            case.body = change_body(case.body)
        return case

    faults: dict[str, str] = {}
    statuses: dict[str, set[int]] = {}
    for event in from_schema(api).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            faults[str(event.value)] = f"{event.label}: {event.info.format()}"
        if isinstance(event, events.ScenarioFinished):
            for case_id, interaction in event.recorder.interactions.items():
                if interaction.response is not None:
                    operation = event.recorder.cases[case_id].value.operation.label
                    statuses.setdefault(operation, set()).add(interaction.response.status_code)
                faults |= _failed(event.recorder.label, event.recorder.checks.get(case_id, ()))
    return list(faults.values()), statuses


def _failed(label: str, checks: Iterable[Any]) -> dict[str, str]:
    """Tell each kind of failure once, with a command that shows it."""
    infos = [check.failure_info for check in checks if check.status is Status.FAILURE]
    return {
        f"{label} {info.failure.title} {info.failure.message[:80]}": (
            f"{label}: {info.failure.title}: {info.failure.message[:400]}\n"
            f"    {info.code_sample[:1500]}"
        )
        for info in infos
    }
