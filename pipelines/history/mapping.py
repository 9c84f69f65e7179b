"""What a log's columns mean: the mapping file (TOML), read, checked and frozen."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipelines.contracts import Transition
from pipelines.errors import MappingError
from pipelines.history.decoding import is_text_encoding

# XES 1.0, lifecycle extension, in lower case; what ends a task without its result is cancelled.
STANDARD_TRANSITIONS: Final = {
    "schedule": Transition.CREATED,
    "assign": Transition.ASSIGNED,
    "reassign": Transition.ASSIGNED,
    "start": Transition.STARTED,
    "suspend": Transition.SUSPENDED,
    "resume": Transition.RESUMED,
    "complete": Transition.COMPLETED,
    "withdraw": Transition.CANCELLED,
    "ate_abort": Transition.CANCELLED,
    "pi_abort": Transition.CANCELLED,
    "autoskip": Transition.CANCELLED,
    "manualskip": Transition.CANCELLED,
    **{transition.value: transition for transition in Transition},
}

# Placeholder dates of many systems lie in 1970 (time zero) or before.
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)

Kind = Literal["text", "number", "boolean"]
EPOCH_FORMATS: Final[dict[str, Literal["s", "ms"]]] = {"unix_s": "s", "unix_ms": "ms"}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as err:
        raise ValueError(f"no such time zone: {name!r}; give a name like 'Europe/Rome'") from err
    return name


def _known_encoding(name: str) -> str:
    if not is_text_encoding(name):
        raise ValueError(f"no such text encoding: {name!r}; try 'utf-8' or 'cp1252'")
    return name


def _known_format(name: str) -> str:
    if "%" not in name and name not in EPOCH_FORMATS:
        raise ValueError(
            f"{name!r} is no time format; write one like '%d/%m/%Y %H:%M', or one of "
            f"{', '.join(EPOCH_FORMATS)}"
        )
    return name


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Section):
    """The column (XES: the key, a trace's with `case:` before it) of each meaning."""

    workflow: str
    activity: str
    timestamp: str = Field(description="When it happened; with start_timestamp, the completion.")
    start_timestamp: str | None = None
    transition: str | None = None
    person: str | None = None
    team: str | None = None
    task: str | None = Field(None, description="The log's own task id.")
    recorded: str | None = Field(None, description="When the log's system learnt of it.")
    task_due: str | None = None
    workflow_due: str | None = None
    template: str | None = None
    client: str | None = None
    priority: str | None = None
    outcome: str | None = Field(None, description="Known at closing only: a label, no feature.")


class Outcome(_Section):
    """Which outcomes mean that the workflow was late; upper and lower case are one."""

    late_values: tuple[str, ...]


class Reading(_Section):
    """How to read the file's text, numbers and times."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    day_first: bool | None = None
    timestamp_formats: tuple[Annotated[str, AfterValidator(_known_format)], ...] = ()
    missing_values: tuple[str, ...] = ("nan", "NaN", "NULL", "null")
    earliest: AwareDatetime = EARLIEST
    latest: AwareDatetime | None = None


class Closing(_Section):
    """When a workflow counts as closed; neither given: quiet for longer than most gaps are."""

    activities: tuple[str, ...] = ()
    resolved_activities: tuple[str, ...] = Field(
        (), description="The work is done, the workflow not yet closed: its outcome is settled."
    )
    quiet_days: Annotated[float, Field(ge=0)] | None = None


class Mapping(_Section):
    """A log's columns and their meaning, as written in a mapping file."""

    name: str
    format: Literal["csv", "xes"]
    columns: Columns
    optional: tuple[str, ...] = Field((), description="Columns a file may lack.")
    workflow_attributes: dict[str, Kind] = {}
    task_attributes: dict[str, Kind] = {}
    left_out: dict[str, str] = Field({}, description="Column known only afterwards, and why.")
    outcome: Outcome | None = None
    reading: Reading = Reading()
    transitions: dict[str, Transition] = {}
    closing: Closing = Closing()

    @property
    def used_columns(self) -> tuple[str, ...]:
        """Every column that is read, each once, in the order of the mapping."""
        roles = [name for name in self.columns.model_dump().values() if name is not None]
        return tuple(dict.fromkeys([*roles, *self.workflow_attributes, *self.task_attributes]))

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        return tuple(name for name in self.used_columns if name not in self.optional)

    @property
    def transition_words(self) -> dict[str, Transition]:
        """The log's own words in lower case, and the transition each stands for."""
        own = {word.strip().lower(): meaning for word, meaning in self.transitions.items()}
        return STANDARD_TRANSITIONS | own

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        columns = self.columns
        attributes = [*self.workflow_attributes, *self.task_attributes]
        known = [name for name in self.used_columns if name != columns.outcome]
        for name in self.left_out:
            if name in known:
                raise ValueError(f"{name!r} is listed under left_out and mapped; remove one")
        if columns.outcome is not None and columns.outcome in known + attributes:
            raise ValueError(
                f"outcome {columns.outcome!r} is known at closing only and is mapped again; "
                "remove the other use"
            )
        if self.outcome is not None and columns.outcome is None:
            raise ValueError("outcome.late_values needs columns.outcome")
        if columns.start_timestamp is not None and columns.transition is not None:
            raise ValueError(
                "columns.start_timestamp (a row is a whole task) and columns.transition "
                "(a row is one step) exclude each other; keep one"
            )
        for name in self.optional:
            if name not in self.used_columns:
                raise ValueError(f"optional column {name!r} is not mapped; remove it")
            if name in (columns.workflow, columns.activity, columns.timestamp):
                raise ValueError(f"column {name!r} cannot be optional; remove it there")
        return self


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file; its name is the file's where it gives none.

    Raises:
        MappingError: the file is missing, no TOML, or says something a mapping cannot.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise MappingError(f"Mapping {path} cannot be read: {err.strerror}.") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise MappingError(f"Mapping {path} is no valid TOML: {err}.") from err
    try:
        return Mapping.model_validate({"name": path.stem, **content})
    except ValidationError as err:
        faults = "; ".join(_describe(fault) for fault in err.errors())
        raise MappingError(f"Mapping {path} is not valid: {faults}.") from err


def _describe(fault: Any) -> str:
    """Say which key has which value, what is wrong and what would be right."""
    key = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "extra_forbidden":
            allowed = ", ".join(_section_fields(fault["loc"][:-1]))
            return f"{key}: unknown key; allowed here: {allowed}"
        case "missing":
            return f"{key}: is missing; name the log's column for it"
        case "value_error":
            message = str(fault["ctx"]["error"])
            return f"{key}: {message}" if key else message
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{key} = {fault['input']!r}: {message}"


def _section_fields(location: tuple[str | int, ...]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "columns": Columns,
        "outcome": Outcome,
        "reading": Reading,
        "closing": Closing,
    }
    section = sections.get(str(location[0]), Mapping) if location else Mapping
    return sorted(section.model_fields)
