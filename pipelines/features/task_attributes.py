"""The last known value of every task attribute, as one JSON object."""

import json
import re
from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.prefixes import last_known

# A JSON value: a string, a flat array or object, or a number, true, false, null. The key before
# it cannot be found inside a string, where its quotes would be escaped.
_VALUE: Final = r'("(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^,}\s]+)'


def merged_attributes(
    attributes: ir.StringColumn,
    position: ir.IntegerColumn,
    keys: Sequence[str],
    so_far: WindowBuilder,
) -> ir.StringValue:
    """Merge the JSON objects of a window's events: for every key the last value not null.

    By regular expressions, because the engines' own JSON functions disagree on quotes, dots in
    keys and types. Values keep their JSON text; keys are written in sorted order.

    Args:
        attributes: JSON objects as text, one an event.
        position: order of the events within the window's partition.
        keys: every key that may occur.
        so_far: the window.
    """
    merged = ibis.literal("")
    for key in sorted(keys):
        value = attributes.re_extract(_entry(key), 1).nullif("").nullif("null")
        last = last_known(value, position, so_far)
        merged += (ibis.literal(f", {json.dumps(key)}: ") + last).coalesce("")
    return ibis.literal("{") + merged.substr(2) + ibis.literal("}")


def _entry(key: str) -> str:
    """Pattern of the key and its value, the key with and without escaped non-ASCII letters."""
    written = {json.dumps(key), json.dumps(key, ensure_ascii=False)}
    return f"(?:{'|'.join(sorted(map(re.escape, written)))})\\s*:\\s*{_VALUE}"
