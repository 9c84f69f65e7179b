"""Find the shipped mapping that fits a log, by the columns the log has."""

from pathlib import Path
from typing import Final

from pipelines.errors import LogFormatError, MappingError
from pipelines.history.csv_log import CsvLog
from pipelines.history.decoding import looks_like_xml
from pipelines.history.log_file import LogFile
from pipelines.history.mapping import Mapping, Reading, load_mapping
from pipelines.history.xes_log import EventCollector, XesLog

MAPPINGS: Final = Path(__file__).parent / "mappings"

# Events looked at for the keys an XES log has.
_EVENTS_SEEN: Final = 1_000


def choose_mapping(log_path: Path) -> Mapping:
    """Return the shipped mapping whose columns the log has all; of several the most specific.

    Raises:
        LogFormatError: the file is empty or no log.
        MappingError: no shipped mapping fits.
    """
    is_xml = looks_like_xml(next(LogFile(log_path).blocks(), b""))
    seen = _xes_keys(log_path) if is_xml else CsvLog(LogFile(log_path), Reading()).columns
    log_format = "xes" if is_xml else "csv"
    fitting = [
        mapping
        for mapping in map(load_mapping, sorted(MAPPINGS.glob("*.toml")))
        if mapping.format == log_format and set(mapping.required_columns) <= set(seen)
    ]
    if not fitting:
        raise MappingError(
            f"No shipped mapping fits {log_path}; it has the columns "
            f"{', '.join(map(repr, seen))}. Write a mapping file that says at least "
            f'format = "{log_format}" and, under [columns], which column is workflow, which '
            "activity and which timestamp, and give it with --mapping "
            f"(examples: {MAPPINGS})."
        )
    return max(fitting, key=lambda mapping: len(mapping.required_columns))


def _xes_keys(log_path: Path) -> list[str]:
    collector = EventCollector()
    for _ in XesLog(LogFile(log_path), None).feed(collector):
        if collector.count >= _EVENTS_SEEN:
            break
    if not collector.count:
        raise LogFormatError(f"Log {log_path} has no events; give a file with at least one.")
    return sorted(collector.seen)
