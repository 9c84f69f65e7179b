"""Attribute columns to one JSON object a row, whole columns at once."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.history.mapping import Kind
from pipelines.history.rejections import Reason

LONGEST_BYTES: Final = 65_536

_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}
_LARGEST_EXACT: Final = 2**53  # beyond it, a float is no exact integer


class AttributeFault(NamedTuple):
    """Rows whose value is not what its column declares."""

    column: str
    is_bad: pa.BooleanArray
    reason: Reason


def attributes_json(
    columns: Mapping[str, pa.StringArray], kinds: Mapping[str, Kind], length: int
) -> tuple[pa.StringArray, list[AttributeFault]]:
    """Build the JSON text of each row's attributes, keys sorted, missing ones left out.

    The key is the column's name without `case:`.

    Args:
        columns: text, or null where missing; shape (length,) each. Absent: missing throughout.
        kinds: what each column holds.
        length: number of rows.
    """
    faults: list[AttributeFault] = []
    parts: list[pa.StringArray] = []
    for name in sorted(kinds):
        if name not in columns:
            continue
        part, is_bad, reason = _members(columns[name], name.removeprefix("case:"), kinds[name])
        if reason is not None:
            faults.append(AttributeFault(name, is_bad, reason))
        parts.append(part)
    # Skipping drops a row that is null throughout, so each begins with an empty text, and the
    # separator after it is cut off again.
    first = pa.repeat("", length)
    inside = pc.binary_join_element_wise(first, *parts, ", ", null_handling="skip")
    inside = pc.utf8_slice_codeunits(inside, start=2)
    return pc.binary_join_element_wise("{", inside, "}", ""), faults


def _members(
    values: pa.StringArray, key: str, kind: Kind
) -> tuple[pa.StringArray, pa.BooleanArray, Reason | None]:
    """Return each row's `"key": value`, which rows are bad, and why if any is."""
    encoded = values.dictionary_encode()
    prefix = f"{json.dumps(key, ensure_ascii=False)}: "
    convert, reason = _CONVERTERS[kind]
    members: list[str | None] = []
    bad: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        value = convert(text)
        bad.append(value is None)
        members.append(None if value is None else prefix + json.dumps(value, ensure_ascii=False))
    part = pa.array(members, pa.string()).take(encoded.indices)
    is_bad = pa.array(bad, pa.bool_()).take(encoded.indices).fill_null(False)  # noqa: FBT003
    return part, is_bad, reason if any(bad) else None


def _text(text: str) -> str | None:
    return text if len(text.encode()) <= LONGEST_BYTES else None


def _number(text: str) -> float | int | None:
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text.lower())


_CONVERTERS: Final[dict[Kind, tuple[Callable[[str], str | float | bool | None], Reason]]] = {
    "text": (_text, Reason.TOO_LONG),
    "number": (_number, Reason.NOT_A_NUMBER),
    "boolean": (_boolean, Reason.NOT_A_BOOLEAN),
}
