"""A stamp on the online store's content: as long as it is the same, so is what can be read.

Materialisation takes it away before it writes and puts a new one when it has written, so nothing
derived from the content before or during the writing is ever taken for something of after it. One
that is cut off leaves none, until the next one is through. Two must not write at a time.

Beside it stands, from the first one that is through, that there is content at all: a store that has
lost it, as one does that restarts without a copy on disk, knows no workflow and says so of all.
"""

from typing import Final
from uuid import uuid4

from pipelines.store.valkey import Valkey, command, require

STAMP_KEY: Final = b"workcast:online-stamp"
_WRITTEN_KEY: Final = b"workcast:online-written"


def take_stamp_away(valkey: Valkey) -> None:
    """Say that the content is about to change.

    Raises:
        redis.RedisError: Valkey does not answer in time.
    """
    require(valkey.ask([command(b"DEL", STAMP_KEY)])[0])


def put_new_stamp(valkey: Valkey) -> None:
    """Say that the content will stay as it is for now.

    Raises:
        redis.RedisError: Valkey does not answer in time.
    """
    stamp = command(b"SET", STAMP_KEY, uuid4().hex.encode())
    for reply in valkey.ask([command(b"SET", _WRITTEN_KEY, b"1"), stamp]):
        require(reply)


def has_content(valkey: Valkey) -> bool:
    """Tell whether the store was written, and has not lost all since.

    Raises:
        redis.RedisError: Valkey does not answer in time.
    """
    # A stamp alone is of a release before the other key.
    return bool(require(valkey.ask([command(b"EXISTS", _WRITTEN_KEY, STAMP_KEY)])[0]))
