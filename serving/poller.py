"""A background thread that looks at something every few seconds, whatever happens."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Poller:
    """Call `look` at once and then every `seconds`; requests never wait for it."""

    def __init__(self, name: str, look: Callable[[], None], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._is_stopping = False
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def poke(self) -> None:
        """Let it look now; pokes during a look come together into one more."""
        self._awake.set()

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Ask the thread to end; one that hangs in a network call is left behind."""
        self._is_stopping = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def _work(self) -> None:
        while True:
            self._awake.clear()
            if self._is_stopping:  # asked after the clearing, so that no stop is slept through
                return
            try:
                self._look()
            except Exception:  # it must outlive whatever it looks at
                logger.exception("%s failed and goes on", self._thread.name)
            self._awake.wait(self._seconds)
