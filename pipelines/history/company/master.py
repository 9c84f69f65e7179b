"""Writes the master tables of the company, with the columns the source database has."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.history.company.design import Company
from pipelines.history.company.people import Person
from pipelines.history.company.templates import FUNCTIONS, Template
from pipelines.history.schema import TIMESTAMP

_HIGHEST_LEVEL: Final = 5

Row = dict[str, object]

_COLUMNS: Final[dict[str, dict[str, pa.DataType]]] = {
    "clients": {"client_id": pa.string(), "name": pa.string(), "attributes": pa.string()},
    "teams": {"team_id": pa.string(), "name": pa.string(), "attributes": pa.string()},
    "people": {
        "person_id": pa.string(),
        "name": pa.string(),
        "team_id": pa.string(),
        "time_zone": pa.string(),
        "working_hours": pa.string(),
        "capacity": pa.int32(),
        "hired_at": TIMESTAMP,
        "left_at": TIMESTAMP,
        "attributes": pa.string(),
    },
    "memberships": {
        "person_id": pa.string(),
        "team_id": pa.string(),
        "starts_at": TIMESTAMP,
        "ends_at": TIMESTAMP,
    },
    "skills": {"skill_id": pa.string(), "name": pa.string()},
    "person_skills": {
        "person_id": pa.string(),
        "skill_id": pa.string(),
        "level_ratio": pa.float64(),
    },
    "leaves": {
        "person_id": pa.string(),
        "starts_at": TIMESTAMP,
        "ends_at": TIMESTAMP,
        "reason": pa.string(),
    },
    "templates": {"template_id": pa.string(), "name": pa.string(), "attributes": pa.string()},
    "template_tasks": {
        "template_id": pa.string(),
        "activity": pa.string(),
        "position": pa.int32(),
        "predecessors": pa.list_(pa.string()),
        "skill_id": pa.string(),
        "expected_service_time_s": pa.float64(),
        "attributes": pa.string(),
    },
}


def write_master(
    folder: Path, company: Company, templates: Iterable[Template], end: datetime
) -> dict[str, Path]:
    """Write every master table as it stands at `end`; return the paths by table name.

    How fast people really are stays unknown, as in life: it can only be learned.
    """
    rows: dict[str, Iterable[Row]] = {
        "clients": (
            {
                "client_id": client.client_id,
                "name": client.name,
                "attributes": json.dumps(
                    {"region": client.region, "segment": client.segment, "size": client.size}
                ),
            }
            for client in company.clients
        ),
        "teams": (
            {
                "team_id": team.team_id,
                "name": team.name,
                "attributes": json.dumps({"function": team.function}),
            }
            for team in company.teams
        ),
        "people": (_person(person, company) for person in company.people),
        "memberships": (
            {
                "person_id": person.person_id,
                "team_id": person.team.team_id,
                "starts_at": company.instant(-person.seniority_days * 86_400),
                "ends_at": _left_at(person, company),
            }
            for person in company.people
        ),
        "skills": (
            {"skill_id": skill, "name": skill.replace("-", " ").capitalize()}
            for skills in FUNCTIONS.values()
            for skill in skills
        ),
        "person_skills": (
            {
                "person_id": person.person_id,
                "skill_id": skill,
                "level_ratio": (level - 1) / (_HIGHEST_LEVEL - 1),
            }
            for person in company.people
            for skill, level in sorted(person.levels.items())
        ),
        "leaves": _leaves(company, end),
        "templates": (
            {
                "template_id": template.template_id,
                "name": template.name,
                "attributes": json.dumps({"products": list(template.products)}),
            }
            for template in company.templates
        ),
        "template_tasks": _template_tasks(templates),
    }
    paths = {}
    for name, columns in _COLUMNS.items():
        paths[name] = folder / f"{name}.parquet"
        table = pa.Table.from_pylist(list(rows[name]), schema=pa.schema(columns.items()))
        pq.write_table(table, paths[name], compression="zstd")
    return paths


def _person(person: Person, company: Company) -> Row:
    hours = {
        str(day + 1): [[_clock(shift[0]), _clock(shift[1])]]
        for day, shift in enumerate(person.week)
        if shift
    }
    return {
        "person_id": person.person_id,
        "name": person.name,
        "team_id": person.team.team_id,
        "time_zone": "UTC",
        "working_hours": json.dumps(hours),
        "capacity": person.capacity,
        "hired_at": company.instant(-person.seniority_days * 86_400),
        "left_at": _left_at(person, company),
        "attributes": json.dumps({"weekly_hours": person.weekly_hours}),
    }


def _left_at(person: Person, company: Company) -> datetime | None:
    return None if person.left_at is None else company.instant(person.left_at)


def _leaves(company: Company, end: datetime) -> Iterable[Row]:
    """Yield leave begun by `end`, and holidays planned for the two months after it."""
    for person in company.people:
        for spell in person.leave:
            starts_at = datetime.combine(spell.starts_on, time(), UTC)
            horizon = end + timedelta(days=60) if spell.kind == "holiday" else end
            if starts_at <= horizon:
                yield {
                    "person_id": person.person_id,
                    "starts_at": starts_at,
                    "ends_at": starts_at + timedelta(days=spell.day_count),
                    "reason": spell.kind,
                }


def _template_tasks(templates: Iterable[Template]) -> Iterable[Row]:
    for template in templates:
        for position, step in enumerate(template.steps):
            attributes: Row = {"is_optional": step.share < 1 or step.only_accepted}
            if step.reviews is not None:
                attributes["reviews"] = step.reviews
            yield {
                "template_id": template.template_id,
                "activity": step.activity,
                "position": position,
                "predecessors": list(step.after),
                "skill_id": step.skill,
                "expected_service_time_s": step.hours * 3600,
                "attributes": json.dumps(attributes),
            }


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"
