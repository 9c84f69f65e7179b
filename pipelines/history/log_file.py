"""A log file's bytes: plain or gzip (told by content), in blocks of bounded size."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pipelines.errors import LogFormatError
from pipelines.history.rejections import Reason

# Called with the bytes of the file read so far and its size, both as they lie on disk.
Progress = Callable[[int, int], None]

BLOCK_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 18
_GZIP_MAGIC: Final = b"\x1f\x8b"
_FOREIGN_MAGIC: Final = {
    b"PK\x03\x04": "a zip archive",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"(\xb5/\xfd": "zstd data",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
}


class LogFile:
    """Read a log's bytes once, from the start; gzip damage ends the reading, told afterwards.

    `damage` is set when the gzip data ended early or was broken; whatever could be
    unpacked before has been yielded by then.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.path = path
        self.damage: Reason | None = None
        self._progress = progress
        self._done = 0
        self._total = 0

    def blocks(self) -> Iterator[bytes]:
        """Yield the unpacked content in blocks of at most 1 MiB, none of them empty.

        Raises:
            LogFormatError: the file cannot be read, is empty, or is packed in another way.
        """
        try:
            self._total = self.path.stat().st_size
            with self.path.open("rb") as file:
                head = file.read(_READ_BYTES)
                self._refuse_foreign(head)
                rest = self._raw(file, head)
                yield from self._unpacked(rest) if head.startswith(_GZIP_MAGIC) else rest
        except OSError as err:
            raise LogFormatError(f"Log {self.path} cannot be read: {err.strerror}.") from err

    def _refuse_foreign(self, head: bytes) -> None:
        if not head:
            raise LogFormatError(f"Log {self.path} is empty; give a CSV or XES file with events.")
        for magic, what in _FOREIGN_MAGIC.items():
            if head.startswith(magic):
                raise LogFormatError(
                    f"Log {self.path} is {what}; give a CSV or XES file, plain or packed with gzip."
                )

    def _raw(self, file: io.BufferedReader, head: bytes) -> Iterator[bytes]:
        block = head
        while block:
            self._done += len(block)
            yield block
            if self._progress is not None:
                self._progress(self._done, self._total)
            block = file.read(_READ_BYTES)

    def _unpacked(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Unpack one gzip member after another; blocks stay bounded even for a zip bomb."""
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            for packed in blocks:
                rest = packed
                while rest:
                    if unpacker.eof:
                        if not rest.strip(b"\0"):  # padding after the last member
                            break
                        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
                    if block := unpacker.decompress(rest, BLOCK_BYTES):
                        yield block
                    rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        except zlib.error:
            self.damage = Reason.DAMAGED_GZIP
            return
        if block := unpacker.flush():
            yield block
        if not unpacker.eof:
            self.damage = Reason.TRUNCATED_GZIP


class BlockReader(io.RawIOBase):
    """Present blocks of bytes as a raw stream, so that `io` can decode and split them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell `io` that this is a stream to read from."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the next block; 0 at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
