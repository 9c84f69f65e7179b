"""Copy what the source says of the present to the lake: open tasks, and people.

Events do not tell it all: not by when a task is due, which skills its template asks for, nor
people's hours and skills. With the copy the service answers about tasks while the source database
is away. Names of people stay behind.
"""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import pyarrow as pa
from sqlalchemy import ARRAY, Engine, Select, Text, cast, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from pipelines.contracts import PRESENT_FOLDER, PresentTable
from pipelines.errors import ExtractError
from pipelines.extract.lake import read_whole, writing_whole
from pipelines.extract.stream import snapshot, stream_query
from pipelines.history.schema import TASKS
from pipelines.source.database_errors import reason
from pipelines.source.tables import people, person_skills, tasks, template_tasks, workflows

OPEN_TASKS: Final = pa.schema([*TASKS, pa.field("required_skill_id", pa.string())])
PEOPLE: Final = pa.schema(
    [
        pa.field("person_id", pa.string(), nullable=False),
        pa.field("team_id", pa.string()),
        pa.field("time_zone", pa.string()),
        pa.field("working_hours", pa.string(), nullable=False),  # JSON
        pa.field("skill_ids", pa.string(), nullable=False),  # JSON, a list
    ]
)
_SCHEMAS: Final = {PresentTable.OPEN_TASKS: OPEN_TASKS, PresentTable.PEOPLE: PEOPLE}
_AS_OF: Final = b"as_of"


def extract_present(engine: Engine, lake: str, as_of: datetime) -> dict[PresentTable, int]:
    """Write the tasks that were open at `as_of` and the people there are; return their counts.

    Each table is replaced as a whole: a reader sees the old one or the new one.

    Args:
        engine: the source database.
        lake: root of the lake, a folder or an fsspec URL.
        as_of: up to when the history is extracted; aware.

    Raises:
        ExtractError: the database or the lake failed.
    """
    counts = {}
    try:
        with snapshot(engine) as connection:
            for table, statement in (
                (PresentTable.OPEN_TASKS, _open_tasks(as_of)),
                (PresentTable.PEOPLE, _PEOPLE),
            ):
                told = _SCHEMAS[table].with_metadata({_AS_OF: as_of.astimezone(UTC).isoformat()})
                with (
                    closing(stream_query(connection, statement, told)) as rows,
                    writing_whole(lake, _folder(table), told) as writer,
                ):
                    for batch in rows:
                        writer.write(batch)
                counts[table] = writer.row_count
    except (SQLAlchemyError, psycopg.Error, OSError, pa.ArrowException) as err:
        raise ExtractError(
            f"What is open at {as_of} was not extracted to {lake}: {reason(err)}. Run it again."
        ) from err
    return counts


def read_present(lake: str, table: PresentTable) -> tuple[pa.Table, datetime]:
    """Return a table of the present, and as of when.

    Raises:
        ExtractError: it is not there, or its file is damaged or somebody else's.
    """
    rows = read_whole(lake, _folder(table))
    told = rows.schema.metadata or {}
    if _AS_OF not in told or not rows.schema.equals(_SCHEMAS[table]):
        raise ExtractError(f"{_folder(table)} in {lake} is no table of an extract: extract again.")
    return rows, datetime.fromisoformat(told[_AS_OF].decode())


def _folder(table: PresentTable) -> str:
    return f"{PRESENT_FOLDER}/{table.value}"


def _open_tasks(as_of: datetime) -> Select[Any]:
    ended = func.coalesce(tasks.c.completed_at, tasks.c.cancelled_at)
    return (
        select(
            *(tasks.c[name] for name in TASKS.names),
            template_tasks.c.skill_id.label("required_skill_id"),
        )
        .join(workflows, workflows.c.workflow_id == tasks.c.workflow_id)
        .outerjoin(
            template_tasks,
            (template_tasks.c.template_id == workflows.c.template_id)
            & (template_tasks.c.activity == tasks.c.activity),
        )
        # Later is not known yet; a task without times belongs to no moment.
        .where(
            or_(tasks.c.created_at.is_(None), tasks.c.created_at < as_of),
            or_(ended.is_(None), ended >= as_of),
        )
        .order_by(tasks.c.task_id)
    )


_SKILLS: Final = (
    select(person_skills.c.skill_id)
    .where(person_skills.c.person_id == people.c.person_id)
    .order_by(person_skills.c.skill_id)
    .scalar_subquery()
)
_PEOPLE: Final = select(
    people.c.person_id,
    people.c.team_id,
    people.c.time_zone,
    cast(people.c.working_hours, Text),
    cast(func.to_json(func.array(_SKILLS, type_=ARRAY(Text))), Text).label("skill_ids"),
).order_by(people.c.person_id)
