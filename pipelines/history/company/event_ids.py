"""Event ids: UUIDs of version 8 (RFC 9562), a hash of the seed and the event's number."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
# Where the 32 hexadecimal digits stand among the dashes.
_PLACES: Final = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def event_ids(seed: int, sequence: NDArray[np.int64]) -> pa.Array:
    """Return one UUID text per event number, a million in about a second."""
    numbers = sequence.astype(np.uint64)
    key = np.full(1, seed % (1 << 64), np.uint64)
    high = _mix(_mix(key) + numbers)
    low = _mix(high ^ numbers)
    words = np.stack([high, low], axis=1).astype(">u8").view(np.uint8).reshape(-1, 16)
    words[:, 6] = words[:, 6] & 0x0F | 0x80  # version 8
    words[:, 8] = words[:, 8] & 0x3F | 0x80  # variant
    texts = np.full((len(words), 36), ord("-"), np.uint8)
    texts[:, _PLACES[0::2]] = _HEX[words >> 4]
    texts[:, _PLACES[1::2]] = _HEX[words & 0x0F]
    offsets = np.arange(0, 36 * len(words) + 1, 36, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts)]
    return pa.Array.from_buffers(pa.string(), len(words), buffers)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
