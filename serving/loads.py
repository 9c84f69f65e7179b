"""How much each worker of a service has in hand, in memory that the workers share."""

import mmap
import os
from math import exp
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

_MOST_WORKERS: Final = 64
_AVERAGED_S: Final = 0.1


class _Slot(NamedTuple):
    """What a worker tells: whose it is, how many requests it has in hand, and since when."""

    supervisor_id: int
    process_id: int
    at_s: float  # of the clock that all processes of a machine share
    in_hand: int
    average: float  # at that moment

    def average_at(self, now_s: float) -> float:
        """Return the exponentially weighted average of the requests in hand, up to now."""
        # A slot may be older than the machine's start, and the clock began anew with that.
        gone = exp(min(self.at_s - now_s, 0.0) / _AVERAGED_S)
        return self.in_hand + (self.average - self.in_hand) * gone


_LAYOUT: Final = Struct("<qqdqd")


class Loads:
    """Averages over the last tenth of a second of the requests that each worker has in hand.

    Without locks: each worker writes its own slot alone, and one that is read while it is
    written shows a wrong number for that once.

    Args:
        path: the file behind the memory, the same for all workers of a service.
        worker: number of this one, from 0; what is above 63 shares the slot of another.

    Raises:
        OSError: the file cannot be had.
    """

    def __init__(self, path: Path, worker: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # No hole that is filled later: on a full disk that would kill whoever writes there.
            os.posix_fallocate(file, 0, _MOST_WORKERS * _LAYOUT.size)
            self._memory = mmap.mmap(file, _MOST_WORKERS * _LAYOUT.size)
        finally:
            os.close(file)
        self._place = worker % _MOST_WORKERS * _LAYOUT.size
        self._own = _Slot(os.getppid(), os.getpid(), 0.0, 0, 0.0)

    def tell(self, count: int, now_s: float) -> None:
        """Tell that this worker has so many requests in hand from now on."""
        average = self._own.average_at(now_s)
        self._own = self._own._replace(at_s=now_s, in_hand=count, average=average)
        _LAYOUT.pack_into(self._memory, self._place, *self._own)

    def leave(self) -> None:
        """Count no longer: this worker takes no more connections."""
        _LAYOUT.pack_into(self._memory, self._place, *_Slot(0, 0, 0.0, 0, 0.0))

    def excess(self, now_s: float) -> float:
        """Return by how much this worker's average exceeds the mean of all that live."""
        slots = map(_Slot._make, _LAYOUT.iter_unpack(self._memory))
        averages = [one.average_at(now_s) for one in slots if self._is_alive(one)]
        return self._own.average_at(now_s) - sum(averages) / max(len(averages), 1)

    def _is_alive(self, slot: _Slot) -> bool:
        if slot.supervisor_id != self._own.supervisor_id:
            return False
        try:
            os.kill(slot.process_id, 0)  # sends nothing
        except OSError:
            return False
        return True
