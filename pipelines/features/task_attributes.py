"""The last known value of every task attribute, as one JSON object."""

import json
import re
from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir
from ibis.expr.builders import WindowBuilder

from pipelines.features.coding import last_known

# A JSON value: a string, a flat array or object, or a number, true, false, null. The key before
# it cannot be found inside a string, where its quotes would be escaped.
_VALUE: Final = r'("(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^,}\s]+)'


def with_presence(events: ir.Table, documents: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Join whether an event's document has a value of each key: has_0, has_1 and so on.

    Args:
        events: with document_code.
        documents: document_code and attributes, a JSON object as text.
        keys: every key that may occur, numbered as sorted.
    """
    if not keys:
        return events
    has = {f"has_{n}": _value(documents, key).notnull() for n, key in enumerate(sorted(keys))}
    known = documents.select(told_code="document_code", **has)
    return events.left_join(known, events.document_code == known.told_code)


def last_documents(
    events: ir.Table, keys: Sequence[str], so_far: WindowBuilder | None
) -> dict[str, ir.IntegerValue]:
    """Return for every key the last document in a window with a value of it, or null."""
    return {
        f"document_{n}": last_known(
            events[f"has_{n}"].ifelse(events.document_code, ibis.null("int32")),
            events.place,
            so_far,
        )
        for n in range(len(keys))
    }


def with_entries(rows: ir.Table, documents: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Join the entries of `last_documents` as JSON text: entry_0, entry_1 and so on.

    By regular expressions, because the engines' own JSON functions disagree on quotes, dots in
    keys and types. Values keep their JSON text.
    """
    for number, key in enumerate(sorted(keys)):
        entry = ibis.literal(f", {json.dumps(key)}: ") + _value(documents, key)
        entries = documents.select(
            **{f"entry_code_{number}": documents.document_code, f"entry_{number}": entry}
        )
        is_last = rows[f"document_{number}"] == entries[f"entry_code_{number}"]
        rows = rows.left_join(entries, is_last)
    return rows


def attributes_text(rows: ir.Table, keys: Sequence[str]) -> ir.StringValue:
    """Merge the entries of `with_entries` into a JSON object, keys in sorted order."""
    merged = ibis.literal("")
    for number in range(len(keys)):
        merged += rows[f"entry_{number}"].coalesce("")
    return ibis.literal("{") + merged.substr(2) + ibis.literal("}")


def _value(documents: ir.Table, key: str) -> ir.StringValue:
    return documents.attributes.re_extract(_entry(key), 1).nullif("").nullif("null")


def _entry(key: str) -> str:
    """Pattern of the key and its value, the key with and without escaped non-ASCII letters."""
    written = {json.dumps(key), json.dumps(key, ensure_ascii=False)}
    return f"(?:{'|'.join(sorted(map(re.escape, written)))})\\s*:\\s*{_VALUE}"
