"""A client that knows of the service what its OpenAPI document says, and nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
from jsonschema import Draft202012Validator

_PROBLEM = "application/problem+json"
_LONG = "x" * 10_000
_NUMBERS = (10**30, -1, 1.5, True, float("nan"), float("-inf"))
_TEXTS = ("a\x00b", _LONG, "\ud800", 17, None)


@dataclass(frozen=True)
class Request:
    """One request; `field` is what it is wrong about, None where it is as declared."""

    path: str
    content: bytes
    field: str | None = None
    method: str = "POST"
    content_type: str = "application/json"


class Client:
    """Makes sound and broken requests, and says what is wrong with an answer."""

    def __init__(self, document: Mapping[str, Any], seed: int = 1) -> None:
        self._document = document
        self._random = Random(seed)  # noqa: S311 - keeps no secret
        self._examples = [
            (path, example["value"])
            for path, operations in document["paths"].items()
            if "post" in operations
            for example in operations["post"]["requestBody"]["content"]["application/json"][
                "examples"
            ].values()
        ]

    def requests(self, count: int) -> Iterator[Request]:
        """Make requests, two in five as declared."""
        makers = [self._sound, self._sound, self._other_value, self._strange, self._unreadable]
        for number in range(count):
            path, body = self._random.choice(self._examples)
            yield makers[number % len(makers)](path, body)

    def fault(self, request: Request, response: httpx.Response) -> str | None:
        """Say why an answer is not one that the document lets expect, or None."""
        declared = self._document["paths"][request.path].get(request.method.lower())
        kind = response.headers["content-type"]
        if declared is None:
            return None if (response.status_code, kind) == (405, _PROBLEM) else "method taken"
        answer = declared["responses"].get(str(response.status_code))
        if answer is None or kind not in answer["content"]:
            return f"{response.status_code} {kind} is not declared"
        schema = {**answer["content"][kind]["schema"], "components": self._document["components"]}
        said = response.json()
        for error in Draft202012Validator(schema).iter_errors(said):
            return f"not as declared: {error.message}"
        if kind == _PROBLEM and said["status"] != response.status_code:
            return "the problem has another status"
        if request.field is None:
            return None if response.is_success else "a sound request is refused"
        if response.status_code != 422:
            return "taken, or refused for something else"
        named = [error["field"] for error in said["errors"]]
        is_named = any(name.split(".")[0] == request.field for name in named)
        return None if is_named else f"names {named}"

    def _sound(self, path: str, body: Any) -> Request:
        # A request may be written in more than one way.
        indent = self._random.choice([None, 2])
        items = list(body.items())
        self._random.shuffle(items)
        text = json.dumps(dict(items), indent=indent, ensure_ascii=self._random.random() < 0.5)
        return Request(path, text.encode())

    def _other_value(self, path: str, body: Any) -> Request:
        """Put a value that no field of its kind takes in the place of one."""
        name = self._random.choice(list(body))
        value = body[name]
        if isinstance(value, str):
            wrong = self._random.choice(_TEXTS)
        elif isinstance(value, int):
            wrong = self._random.choice(_NUMBERS)
        else:
            wrong = self._random.choice([17, "", [[]], [{"": {}}]])
        # `chosen`, `reason` and the like may be left out, and so be null.
        wrong = [] if wrong is None else wrong
        return Request(path, json.dumps({**body, name: wrong}).encode(), name)

    def _strange(self, path: str, body: Any) -> Request:
        """Add what nobody asked for, in names that mean something elsewhere too."""
        name = self._random.choice(["surprise", "body", "one", "many", "tasks ", "(one)", "🙂"])
        return Request(path, json.dumps({**body, name: 1}).encode(), name.split(".")[0])

    def _unreadable(self, path: str, body: Any) -> Request:
        text = json.dumps(body).encode()
        return self._random.choice(
            [
                Request(path, text[:-1], "body"),
                Request(path, b"", "body"),
                Request(path, b"\xff" + text, "body"),
                Request(path, b"[" * 50_000, "body"),
                Request(path, b"[%b]" % text, "body"),
                Request(path, b'"' + b"a" * 10_000 + b'"', "body"),
                Request(path, b"9" * 5_000, "body"),
                Request(path, text, "body", content_type="text/plain"),
                Request(path, text, "body", content_type="application/x-www-form-urlencoded"),
                Request(path, text, method="PUT"),
                Request(path, b"", method="DELETE"),
            ]
        )
