from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, create_engine, insert

from pipelines.source.tables import workflows
from serving.examples import running_ids, with_examples

pytestmark = pytest.mark.integration

AS_OF = datetime(2016, 4, 1, tzinfo=UTC)


def test_examples_are_the_latest_running_workflows_known(database: Engine) -> None:
    def row(name: str, days: int, **more: object) -> dict[str, object]:
        opened = AS_OF - timedelta(days=days)
        blank = {"closed_at": None, "closure_recorded_at": None}
        return {"workflow_id": name, "opened_at": opened, "recorded_at": opened} | blank | more

    earlier = AS_OF - timedelta(seconds=1)
    closed = {"closed_at": earlier, "closure_recorded_at": earlier}
    later = {"closed_at": earlier, "closure_recorded_at": AS_OF}  # not known yet
    rows = [
        row("old", 9),
        row("closed", 1, **closed),
        row("a", 2, **later),
        row("b", 3),
        row("future", -1),
    ]
    with database.begin() as connection:
        connection.execute(insert(workflows), rows)

    ids = running_ids(database, AS_OF)

    assert ids == ["a", "b"]
    document = {"components": {"schemas": {"OneWorkflow": {"x": 1}, "ManyWorkflows": {}}}}
    schemas = with_examples(document, ids)["components"]["schemas"]
    assert schemas["OneWorkflow"] == {"x": 1, "examples": [{"workflow_id": "a"}]}
    assert schemas["ManyWorkflows"] == {"examples": [{"workflow_ids": ["a", "b"]}]}
    assert document["components"]["schemas"]["OneWorkflow"] == {"x": 1}


def test_without_a_database_the_page_has_its_general_examples() -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x")

    assert running_ids(nowhere, AS_OF) == []
    document = {"components": {"schemas": {}}}
    assert with_examples(document, []) is document
