"""What the DAG `extract_history` does: one interval from the source database to the lake."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.contracts import Stage
from pipelines.errors import ExtractError
from pipelines.extract.history import ExtractResult, extract_history, history_span
from pipelines.extract.present import extract_present
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark, set_watermark

Moment = datetime | None


def requested_interval(
    start: str | None, end: str | None, asset_events: Iterable[Mapping[str, Any]]
) -> tuple[Moment, Moment]:
    """Choose the interval: parameters first, else what the asset events cover together.

    Args:
        start: ISO 8601 with offset, or None.
        end: likewise; excluded.
        asset_events: the `extra` of each triggering event, with `start` and `end` where it knows
            them; the interval covers all of them.

    Returns:
        The interval `[start, end)`; None where nothing was said.

    Raises:
        ExtractError: a moment is not ISO 8601 or has no offset, or the interval is empty.
    """
    extras = list(asset_events)
    starts = [_moment("start", extra["start"]) for extra in extras if extra.get("start")]
    ends = [_moment("end", extra["end"]) for extra in extras if extra.get("end")]
    # One event that does not say where it begins (or ends) may begin (or end) anywhere.
    first = min(starts) if starts and len(starts) == len(extras) else None
    last = max(ends) if ends and len(ends) == len(extras) else None
    first = _moment("start", start) if start else first
    last = _moment("end", end) if end else last
    if first is not None and last is not None and first >= last:
        raise ExtractError(f"The interval [{first}, {last}) is empty: start must lie before end.")
    return first, last


def extract_interval(settings: Settings, start: Moment, end: Moment) -> ExtractResult:
    """Extract `[start, end)` and what is open now; move the stage's watermark, never backwards.

    Args:
        settings: which database and which lake.
        start: first `recorded_at`; None means the first one there is.
        end: `recorded_at` to stop before; None means after the last one there is.

    Raises:
        ExtractError: the source database holds no history, or the interval is empty.
    """
    engine = open_engine(settings)
    try:
        span = history_span(engine)
        if span is None:
            raise ExtractError(
                "The source database holds no history yet: run `workcast import-log FILE` "
                "or `workcast simulate` first."
            )
        first, last = start or span[0], end or span[1] + timedelta(microseconds=1)
        if first >= last:
            raise ExtractError(
                f"The interval [{first}, {last}) is empty: history spans {span[0]} to {span[1]}."
            )
        result = extract_history(engine, settings.lake, first, last, settings.partition)
        known = get_watermark(engine, Stage.EXTRACT)
        moment = max(last, known) if known else last
        extract_present(engine, settings.lake, moment)
        set_watermark(engine, Stage.EXTRACT, moment)
        return result
    finally:
        engine.dispose()


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ExtractError(
            f"{name} is not a moment: {text!r}. Write ISO 8601, like 2024-05-01T00:00:00+00:00."
        ) from None
    if moment.tzinfo is None:
        raise ExtractError(f"{name} has no offset from UTC: {text!r}. Write {text}+00:00 for UTC.")
    return moment.astimezone(UTC)
