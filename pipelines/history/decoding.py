"""Bytes of a log to text: which encoding, and what becomes of bytes it cannot decode."""

import codecs
import re
from typing import Final

from pipelines.history.rejections import UNDECODABLE

# Error handler's name for codecs: one mark for each run of bytes that does not decode.
MARK_ERRORS: Final = "workcast.mark"

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_XML_ENCODING: Final = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)""")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


codecs.register_error(MARK_ERRORS, _mark)


def detect_encoding(head: bytes, told: str | None) -> str:
    """Return the encoding to decode with: a byte order mark's, else the told one, else its own.

    Args:
        head: the file's first bytes.
        told: the mapping's encoding; without it an XML declaration's, else UTF-8, counts.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    if told is not None:
        return told
    declared = _XML_ENCODING.match(head)
    if declared is not None:
        name = declared[1].decode("ascii")
        # In a file whose bytes could be searched for the declaration, UTF-16 cannot be true.
        if is_text_encoding(name) and not name.lower().startswith("utf-16"):
            return name
    return "utf-8"


def is_text_encoding(name: str) -> bool:
    """Tell whether Python decodes text by this name."""
    try:
        b"a".decode(name)  # an empty text is never looked up
    except LookupError:  # unknown, or a codec between bytes and bytes
        return False
    except UnicodeDecodeError:  # one byte is no character of it
        return True
    return True


def looks_like_xml(head: bytes) -> bool:
    """Tell whether a file's first bytes are markup; anything else may be a table of text."""
    text = head[:4096].decode(detect_encoding(head, None), errors=MARK_ERRORS)
    return text.lstrip("\ufeff \t\r\n").startswith("<")
