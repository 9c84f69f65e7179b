"""Times as text to UTC instants: a whole column at once, by the mapping's rules."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.history.mapping import EPOCH_FORMATS, Reading
from pipelines.history.schema import TIMESTAMP

# A clock may run ahead of ours a little, and "now" may be asked for early in a day.
_TOLERANCE: Final = timedelta(days=1)

_NOT_A_TIME: Final = np.iinfo(np.int64).min  # NaT

# Z, or a time of day followed by an offset; the date before it has its own hyphens.
_OFFSET: Final = r"(?:[Zz]|[Tt ]\d{2}.*[+-]\d{2}(?::?\d{2})?)$"
_DATE_SEPARATORS: Final = r"^(\d{1,2})[.\-](\d{1,2})[.\-](\d{4})"
_CLOCKS: Final = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")


@dataclass(frozen=True)
class Moments:
    """Parsed times: `instants` in UTC microseconds (NaT where not parsed), and two faults."""

    instants: pd.DatetimeIndex
    is_unparsable: np.ndarray
    is_impossible: np.ndarray


def parse_moments(texts: pa.StringArray, reading: Reading, now: datetime | None) -> Moments:
    """Parse one column of times; a missing text gives NaT and is no fault.

    Without explicit formats, ISO 8601 is read (a space for the T and slashes in
    year/month/day allowed); with `day_first` set, also dates like 29/2/2016 or 2/29/2016.
    A time without an offset is local time in `reading.time_zone`: one that occurs twice
    when clocks go back is the first of the two; one that is skipped when they go forward is
    the first instant after the gap.

    Args:
        texts: times as text, or missing; shape (n,).
        reading: zone, formats, and the earliest and latest plausible time.
        now: a time more than a day after it is impossible, unless `reading.latest` is set;
            None for times that may lie ahead, such as due dates.
    """
    instants = _cast(texts, reading)
    is_far = np.zeros(len(texts), dtype=bool)
    if instants is None:
        codes, unique = pd.factorize(texts.to_pandas())
        parsed = _parse(pd.Series(unique, dtype=object), reading)
        # Years beyond what nanoseconds can hold are times, but none of a workflow.
        far = [
            is_bad and _is_time(text, reading.timestamp_formats)
            for text, is_bad in zip(unique, parsed.isna(), strict=True)
        ]
        # Code -1 stands for a missing text and picks the entry added at the end.
        instants = pd.DatetimeIndex(np.append(parsed.to_numpy(), np.datetime64("NaT", "us"))[codes])
        instants = instants.tz_localize(UTC)
        is_far = np.array([*far, False])[codes]
    outside = np.asarray(instants < pd.Timestamp(reading.earliest))
    if now is not None:
        latest = reading.latest or now + _TOLERANCE
        outside |= np.asarray(instants > pd.Timestamp(latest))
    is_given = np.asarray(texts.is_valid(), dtype=bool)
    return Moments(
        instants=instants,
        is_unparsable=is_given & instants.isna() & ~is_far,
        is_impossible=outside | is_far,
    )


def _cast(texts: pa.StringArray, reading: Reading) -> pd.DatetimeIndex | None:
    """Parse a column that is ISO 8601 throughout, all with an offset or all in UTC, at once.

    Gives what `_parse` gives, ten times as fast; None where the column is something else.
    """
    if texts.null_count == len(texts):
        return pd.DatetimeIndex(np.full(len(texts), np.datetime64("NaT", "us"))).tz_localize(UTC)
    if reading.timestamp_formats:
        return None
    for kind in (TIMESTAMP, pa.timestamp("us")) if reading.time_zone == "UTC" else (TIMESTAMP,):
        try:
            parsed = texts.cast(kind).cast(pa.int64()).fill_null(_NOT_A_TIME)
        except pa.ArrowInvalid:
            continue
        return pd.DatetimeIndex(np.asarray(parsed).view("datetime64[us]")).tz_localize(UTC)
    return None


def _parse(texts: pd.Series, reading: Reading) -> pd.Series:
    """Parse distinct texts to naive UTC microseconds, NaT where no format fits."""
    result = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us]")
    if texts.empty:
        return result
    if reading.timestamp_formats:
        for name in reading.timestamp_formats:
            result = result.fillna(_with_format(texts[result.isna()], name, reading.time_zone))
        return result
    has_offset = texts.str.contains(_OFFSET, regex=True)
    result = result.fillna(_with_format(texts[has_offset], "ISO8601", "UTC"))
    naive = texts[~has_offset]
    result = result.fillna(_with_format(naive, "ISO8601", reading.time_zone))
    if reading.day_first is not None:
        day = "%d/%m/%Y" if reading.day_first else "%m/%d/%Y"
        for clock in ("", *_CLOCKS):
            rest = naive[result[naive.index].isna()]
            rest = rest.str.replace(_DATE_SEPARATORS, r"\1/\2/\3", regex=True)
            result = result.fillna(_with_format(rest, f"{day} {clock}".strip(), reading.time_zone))
    return result


def _with_format(texts: pd.Series, name: str, zone: str) -> pd.Series:
    """Parse texts of one format, NaT where it does not fit; local times become UTC."""
    if texts.empty:
        return pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us]")
    if name in EPOCH_FORMATS:
        numbers = pd.to_numeric(texts, errors="coerce").astype(float)
        parsed = pd.to_datetime(numbers, unit=EPOCH_FORMATS[name], errors="coerce", utc=True)
    elif "%z" in name.lower() or (name == "ISO8601" and zone == "UTC"):
        parsed = pd.to_datetime(texts, format=name, errors="coerce", utc=True)
    else:
        local = pd.to_datetime(texts, format=name, errors="coerce")
        is_first = np.ones(len(local), dtype=bool)
        parsed = local.dt.tz_localize(zone, ambiguous=is_first, nonexistent="shift_forward")
    result: pd.Series = parsed.dt.tz_convert(UTC).dt.tz_localize(None).dt.as_unit("us")
    return result


def _is_time(text: object, formats: tuple[str, ...]) -> bool:
    for name in formats or ("",):
        try:
            datetime.strptime(str(text), name) if name else datetime.fromisoformat(str(text))  # noqa: DTZ007
        except ValueError:
            continue
        return True
    return False
