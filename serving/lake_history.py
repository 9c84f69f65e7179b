"""The copy of the source that the last extract left in the lake, asked while the source is away.

It is read when it is needed and kept until it is not, or the clock moves. Rows stay Arrow tables:
as Python objects they would take ten times the memory.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contracts import PresentTable
from pipelines.errors import ExtractError
from pipelines.extract.present import read_present
from pipelines.features.history import read_tables
from serving.clock import FeatureClock
from serving.people import Person
from serving.poller import Poller
from serving.problems import FeaturesAwayError
from serving.tasks import EVENT_COLUMNS, WORKFLOW_COLUMNS, Task

logger = logging.getLogger(__name__)

_ID: Final = "workflow_id"
_SECONDS: Final = 1.0


@dataclass(frozen=True)
class SourceCopy:
    """Open tasks and people as the last extract found them; events of what runs at the clock.

    What had ended by then, or came later, is not in it.
    """

    open_tasks: pa.Table
    staff: pa.Table
    read_events: Callable[[], pa.Table]

    def tasks(self, task_ids: Sequence[str]) -> dict[str, Task]:
        """Return the open tasks of these ids, by id."""
        return self.with_skills(task_ids)[0]

    def with_skills(
        self, task_ids: Sequence[str]
    ) -> tuple[dict[str, Task], dict[str, frozenset[str]]]:
        """Return these and the skills that their templates ask for, both by id."""
        rows = _rows(self.open_tasks, "task_id", task_ids)
        skills = {
            row["task_id"]: frozenset({row.pop("required_skill_id")} - {None}) for row in rows
        }
        return {row["task_id"]: Task(**row) for row in rows}, skills

    def people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """Return the people of these ids, by id."""
        return {
            row["person_id"]: Person(
                person_id=row["person_id"],
                team_id=row["team_id"],
                time_zone=row["time_zone"],
                working_hours=json.loads(row["working_hours"]),
                skills=set(json.loads(row["skill_ids"])),
            )
            for row in _rows(self.staff, "person_id", person_ids)
        }

    def skilled(self, skills: Sequence[str]) -> set[str]:
        """Return the people who have all these skills."""
        return {one for one, has in self._skills_of.items() if has.issuperset(skills)}

    def events(
        self, workflow_ids: Sequence[str], as_of: datetime
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the events of running workflows recorded before `as_of`, by workflow id."""
        events: dict[str, list[dict[str, Any]]] = {}
        for row in _rows(self._events, _ID, workflow_ids):
            if row["recorded_at"] < as_of:
                events.setdefault(row[_ID], []).append({**row, "closure_recorded_at": None})
        return events

    @cached_property
    def _skills_of(self) -> Mapping[str, frozenset[str]]:
        texts = self.staff.column("skill_ids").to_pylist()
        ids = self.staff.column("person_id").to_pylist()
        return dict(zip(ids, map(frozenset, map(json.loads, texts)), strict=True))

    @cached_property
    def _events(self) -> pa.Table:
        return self.read_events()


class LakeHistory:
    """Keeps the copy at the clock's moment; with `max_rows` 0 there is none."""

    def __init__(
        self, lake: str, clock: FeatureClock, max_rows: int, is_needed: Callable[[], bool]
    ) -> None:
        self._lake = lake
        self._clock = clock
        self._max_rows = max_rows
        self._is_needed = is_needed
        self._lock = threading.Lock()
        self._at: datetime | None = None
        self._kept: tuple[SourceCopy, str] | None = None
        self._missing: str | None = None
        self._told: str | None = None
        self._poller = Poller("source-copy", self.prepare, _SECONDS)

    def start(self) -> None:
        """Start to look whether the copy is needed."""
        self._poller.start()

    def stop(self) -> None:
        """Stop that."""
        self._poller.stop()

    @property
    def missing(self) -> str | None:
        """Why there is no copy, if it was looked for."""
        return self._missing

    def prepare(self) -> None:
        """Read the copy before somebody waits for it, or let go of one that nobody needs."""
        if self._is_needed():
            with suppress(FeaturesAwayError):  # there is no clock yet: nobody can ask
                try:
                    self.copy()[0].events((), self._clock.read().as_of)
                except ExtractError as err:
                    self._tell(err)
        else:
            with self._lock:
                self._kept = self._missing = self._told = None

    def copy(self) -> tuple[SourceCopy, str]:
        """Return a copy of the source, and as of when it is, in words.

        Raises:
            ExtractError: there is none, or its files are damaged.
            FeaturesAwayError: there is no clock.
        """
        at = self._clock.read().as_of
        with self._lock:  # whoever is first reads it for all
            if self._kept is None or self._at != at:
                try:
                    self._kept, self._at = self._read(at), at
                except ExtractError as err:
                    self._tell(err)
                    self._missing = str(err)
                    raise
                self._missing = None
            return self._kept

    def _tell(self, err: ExtractError) -> None:
        """Log what is wrong with the copy, once however often it is met."""
        if self._told != str(err):
            logger.warning("The copy of the source database cannot be read: %s", err)
            self._told = str(err)

    def _read(self, at: datetime) -> tuple[SourceCopy, str]:
        if not self._max_rows:
            raise ExtractError("Copies of the lake are switched off: fallback_max_rows is 0.")
        tasks, as_of = read_present(self._lake, PresentTable.OPEN_TASKS)
        staff, _ = read_present(self._lake, PresentTable.PEOPLE)
        tasks = tasks.sort_by([("created_at", "descending")]).slice(0, self._max_rows)

        def events() -> pa.Table:
            return running_events(self._lake, at, self._max_rows)

        copy = SourceCopy(pa.concat_tables([tasks]).combine_chunks(), staff, events)
        return copy, f"its copy in the lake is of {as_of.isoformat()}"


def running_events(lake: str, as_of: datetime, max_rows: int) -> pa.Table:
    """Read the events of workflows that had not been closed at `as_of`, as known then.

    Args:
        lake: root of the lake.
        as_of: aware.
        max_rows: with more events, whole workflows are left out, the longest quiet first.

    Raises:
        ExtractError: the history cannot be read.
    """
    try:
        return _running_events(lake, as_of, max_rows)
    except (duckdb.Error, OSError) as err:
        raise ExtractError(f"The history in {lake} cannot be read: {err}") from err


def _running_events(lake: str, as_of: datetime, max_rows: int) -> pa.Table:
    # One thread: the others answer requests.
    connection = ibis.duckdb.connect(threads=1)
    history = read_tables(lake, as_of, connection)
    events = history.task_events.anti_join(history.workflow_closures, _ID)
    sizes = events.group_by(_ID).agg(size=events.count(), last_at=events.recorded_at.max())
    by_age = ibis.window(order_by=[sizes.last_at.desc(), sizes[_ID]], following=0)
    kept = sizes.mutate(total=sizes["size"].sum().over(by_age))
    events = events.semi_join(kept.filter(kept.total <= max_rows), _ID)
    workflows = history.workflows.rename(workflow_attributes="attributes")
    of_workflow = workflows.select(_ID, *WORKFLOW_COLUMNS, "workflow_attributes")
    known = events.select(*EVENT_COLUMNS, "attributes").inner_join(of_workflow, _ID)
    # Not Ibis's to_pyarrow: it loads all of pandas.
    return connection.con.sql(str(connection.compile(known))).to_arrow_table()


def _rows(table: pa.Table, name: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    wanted = pa.array(dict.fromkeys(ids), pa.string())
    rows: list[dict[str, Any]] = table.filter(
        pc.is_in(table.column(name), value_set=wanted)
    ).to_pylist()
    return rows
