import gzip
import zlib
from pathlib import Path

import pytest

from pipelines.errors import LogFormatError
from pipelines.history.log_file import BLOCK_BYTES, LogFile
from pipelines.history.rejections import Reason

TEXT = b"".join(b"%d,line\n" % number for number in range(50_000))


def write(folder: Path, content: bytes) -> Path:
    path = folder / "log.csv"  # the name says nothing
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
        gzip.compress(TEXT) + b"\0" * 512,
    ],
    ids=["plain", "gzip", "two members", "padded"],
)
def test_content_comes_whole_and_progress_ends_at_the_files_size(
    tmp_path: Path, content: bytes
) -> None:
    told: list[tuple[int, int]] = []
    file = LogFile(write(tmp_path, content), lambda done, total: told.append((done, total)))
    assert b"".join(file.blocks()) == TEXT
    assert file.damage is None
    assert told[-1] == (len(content), len(content))
    assert told == sorted(told)


@pytest.mark.parametrize("cut", [11, 40, 1_000, 90_000, -9, -4, -1])
def test_a_cut_gzip_file_gives_what_came_before(tmp_path: Path, cut: int) -> None:
    file = LogFile(write(tmp_path, gzip.compress(TEXT)[:cut]))
    content = b"".join(file.blocks())
    assert TEXT.startswith(content)
    assert file.damage is Reason.TRUNCATED_GZIP
    if cut == -9:
        assert len(content) > len(TEXT) - 1_000


def test_a_damaged_gzip_file_ends_where_the_damage_is(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 0xFF  # in the checksum
    file = LogFile(write(tmp_path, bytes(packed)))
    assert TEXT.startswith(b"".join(file.blocks()))
    assert file.damage is Reason.DAMAGED_GZIP


def test_blocks_stay_small_however_well_they_were_packed(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(b"a" * 50_000_000))
    sizes = [len(block) for block in LogFile(path).blocks()]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= BLOCK_BYTES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04....", "is a zip archive"),
        (b"\x89PNG\r\n", "is a PNG image"),
        (b"BZh91AY", "is bzip2 data"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(LogFormatError, match=message):
        list(LogFile(write(tmp_path, content)).blocks())


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match="cannot be read: No such file"):
        list(LogFile(tmp_path / "none").blocks())


def test_raw_zlib_is_no_gzip(tmp_path: Path) -> None:
    content = zlib.compress(TEXT)
    assert b"".join(LogFile(write(tmp_path, content)).blocks()) == content
