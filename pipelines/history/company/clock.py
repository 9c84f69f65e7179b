"""The simulation's clock: whole seconds since the first midnight (UTC)."""

from collections.abc import Callable

from simpy import Environment


class Clock(Environment):
    """A SimPy environment whose time is an integer."""

    @property
    def at(self) -> int:
        """Seconds gone by."""
        return int(self._now)

    def call_at(self, at: int, action: Callable[[], None]) -> None:
        """Call `action` at a later moment: lighter than a process for a single step."""
        self.timeout(at - self.at).callbacks.append(lambda _: action())
