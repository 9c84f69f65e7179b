"""What the Bento sets up in a worker before it answers."""

import sys
from typing import Any

import pytest

from serving import service
from serving.runtime import Runtime


def test_a_worker_takes_short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(Runtime, "open", opened.append)
    monkeypatch.setattr("serving.logs.set_up_logs", lambda **_: None)
    before = sys.getswitchinterval()
    try:
        service._open_runtime()
        assert sys.getswitchinterval() == pytest.approx(0.001)
    finally:
        sys.setswitchinterval(before)
    assert len(opened) == 1
