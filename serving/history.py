"""What is known of tasks, people and events: from the source, or while it is away from the lake."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pipelines.errors import ExtractError
from serving.people import Person
from serving.problems import HistoryAwayError
from serving.tasks import Task

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Asked(Protocol):
    """What can be asked, of the source database or of its copy in the lake."""

    def tasks(self, task_ids: Sequence[str]) -> Mapping[str, Task]:
        """Return the tasks there are, by id."""

    def with_skills(
        self, task_ids: Sequence[str]
    ) -> tuple[Mapping[str, Task], Mapping[str, frozenset[str]]]:
        """Return the tasks there are and the skills that their templates ask for, both by id."""

    def people(self, person_ids: Sequence[str]) -> Mapping[str, Person]:
        """Return the people there are, by id."""

    def skilled(self, skills: Sequence[str]) -> set[str]:
        """Return the people who have all these skills."""

    def events(
        self, workflow_ids: Sequence[str], as_of: datetime
    ) -> Mapping[str, Sequence[dict[str, Any]]]:
        """Return the events of workflows recorded before `as_of`, in no order, by workflow id."""


@dataclass(frozen=True)
class Read(Generic[T_co]):
    """What was found, and why it may not be all there is now; None: it is."""

    found: T_co
    degraded_because: str | None = None


class Copies(Protocol):
    """What is needed of the lake."""

    @property
    def missing(self) -> str | None:
        """Why there is no copy, as far as is known."""

    def copy(self) -> tuple[Asked, str]:
        """Return a copy of the source, and as of when it is, in words.

        Raises:
            ExtractError: there is none; or when it is asked, as it reads what it is asked for.
        """


class History:
    """Asks the source database; while it is away, the copy that the last extract left."""

    def __init__(self, source: Asked, lake: Copies) -> None:
        self._source = source
        self._lake = lake

    @property
    def has_copy(self) -> bool:
        """Whether there is a copy to ask, as far as is known."""
        return self._lake.missing is None

    def read(self, ask: Callable[[Asked], T]) -> Read[T]:
        """Ask something.

        Args:
            ask: does so, of whichever it is given; all that belongs together at once.

        Raises:
            HistoryAwayError: the database does not answer, and there is no copy.
        """
        try:
            return Read(ask(self._source))
        except HistoryAwayError as away:
            try:
                copy, of_when = self._lake.copy()
                found = ask(copy)
            except ExtractError as err:
                raise away from err
        return Read(found, f"the source database does not answer: {of_when}")


def nothing_in_copy(what: str, because: str) -> HistoryAwayError:
    """Return why nothing is said of what the copy does not hold: the source may.

    Args:
        what: is not in it, such as "Task 'T1'".
        because: why the copy was asked.
    """
    return HistoryAwayError(
        f"{what} is not known here, and {because}. Ask again in a few seconds, or check the id."
    )
