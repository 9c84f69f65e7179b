"""The last known value of every task attribute."""

import json

import pytest
from ibis.backends.duckdb import Backend

from pipelines.contracts import FeatureView
from tests.features.tables import at, event, history, view_rows


def _merged(connection: Backend, documents: list[str]) -> str:
    """What is known after one event for each document."""
    recorded = history(
        connection, [event("w", "A", at(n), attributes=text) for n, text in enumerate(documents)]
    )
    rows = view_rows(connection, recorded, FeatureView.WORKFLOW_PROGRESS)
    return str(rows[-1]["task_attributes"])


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (["{}"], "{}"),
        (['{"a": 1}', "{}"], '{"a": 1}'),
        (['{"a":1}', '{"a":2.50}'], '{"a": 2.50}'),
        (['{"b": 1}', '{"a": true}'], '{"a": true, "b": 1}'),
        (['{"a": 1, "b": "x"}', '{"a": null, "b": "y"}'], '{"a": 1, "b": "y"}'),
        (['{"a": null}'], "{}"),
    ],
)
def test_last_value_wins(connection: Backend, documents: list[str], expected: str) -> None:
    assert _merged(connection, documents) == expected


@pytest.mark.parametrize(
    "value",
    ["", "a, b}", 'say "x": 1', "back\\slash\\", "line\nbreak", "Größe", [1, 2], {"b": 3}, -1e-7],
)
@pytest.mark.parametrize("escaped", [True, False], ids=["ascii", "utf-8"])
def test_every_value_survives(connection: Backend, value: object, escaped: bool) -> None:
    document = json.dumps({"x": value, "y": 1}, ensure_ascii=escaped)
    assert json.loads(_merged(connection, [document, '{"y": 2}'])) == {"x": value, "y": 2}


@pytest.mark.parametrize("key", ["org:group", "a.b", 'say "x"', "$.x", "Größe", "a (b) [c]*", "\\"])
@pytest.mark.parametrize("escaped", [True, False], ids=["ascii", "utf-8"])
def test_every_key_survives(connection: Backend, key: str, escaped: bool) -> None:
    document = json.dumps({key: 1, "y": 1}, ensure_ascii=escaped)
    assert json.loads(_merged(connection, [document])) == {key: 1, "y": 1}


def test_text_inside_a_string_is_no_key(connection: Backend) -> None:
    documents = [json.dumps({"note": '{"cost": 5}'}), json.dumps({"cost": 7})]
    assert json.loads(_merged(connection, documents)) == {"note": '{"cost": 5}', "cost": 7}
