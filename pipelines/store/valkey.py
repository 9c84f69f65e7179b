"""Talk to Valkey in one round trip: commands packed beforehand, replies read in their order.

redis-py's pipelines spend ten microseconds a command on bookkeeping. Here its connections are
used directly: they, its parser (hiredis) and its pool stay.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.errors import FeatureStoreError

# A request waits for a store that hangs no longer than both together.
CONNECT_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 0.5


def bulk(part: bytes) -> bytes:
    """Write one argument of a command."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def command_start(name: bytes, argument_count: int) -> bytes:
    """Write how a command begins; its arguments follow, each as a `bulk`."""
    return b"*%d\r\n%b" % (argument_count + 1, bulk(name))


def command(name: bytes, *arguments: bytes) -> bytes:
    """Write a whole command."""
    return command_start(name, len(arguments)) + b"".join(map(bulk, arguments))


class Valkey:
    """Connections to one server, for all threads of a process; none is made before it is needed.

    Nothing is tried again: whoever asks decides whether to. A connection that the server has
    closed meanwhile is replaced before it is used.
    """

    def __init__(
        self,
        url: str,
        answer_seconds: float = ANSWER_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_connect_timeout=connect_seconds,
            socket_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """Send commands together and return their replies; a refusal is a `ResponseError` there.

        Raises:
            redis.RedisError: the server does not answer in time.
        """
        if not commands:
            return []
        connection = self._pool.get_connection()
        try:
            connection.send_packed_command([b"".join(commands)])  # type: ignore[no-untyped-call]
            return [_reply(connection) for _ in commands]
        except BaseException:
            # Replies that nobody waited for would be taken for those of the next call.
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
        finally:
            self._pool.release(connection)

    def addresses(self, pattern: bytes, count: int = 10_000) -> Iterator[list[bytes]]:
        """Walk over all keys that match, some thousands at a time; one may come twice."""
        cursor = b"0"
        while True:
            (reply,) = self.ask(
                [command(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", str(count).encode())]
            )
            cursor, found = require(reply)
            if found:
                yield found
            if cursor == b"0":
                return

    def close(self) -> None:
        """Close the connections."""
        self._pool.disconnect()


def require(reply: Any) -> Any:
    """Return a reply.

    Raises:
        redis.ResponseError: the server refused the command.
    """
    if isinstance(reply, redis.ResponseError):
        raise reply
    return reply


@contextmanager
def answering() -> Iterator[None]:
    """Turn a server that does not answer into an error that says what to do.

    Raises:
        FeatureStoreError: Valkey does not answer.
    """
    try:
        yield
    except redis.RedisError as err:
        raise FeatureStoreError(
            f"Valkey does not answer ({err}); start the platform, or check WORKCAST_VALKEY_URL."
        ) from err


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except redis.ResponseError as refusal:
        return refusal
