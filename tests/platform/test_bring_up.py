import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.errors import PlatformError
from pipelines.platform.bring_up import Step, bring_up
from pipelines.platform.programs import Program
from pipelines.platform.supervisord import Supervisord
from tests.platform.conftest import ROOT

MakeProgram = Callable[..., Program]
SLEEP = "import time; time.sleep(60)"
QUIET = Console(quiet=True)


def start(server: Supervisord, programs: list[Program], steps: list[Step] | None = None) -> None:
    server.write_files(programs, ROOT)
    server.start()
    bring_up(server, programs, steps or [], QUIET)


def test_needs_are_healthy_first_and_the_rest_starts_side_by_side(
    server: Supervisord, python_program: MakeProgram
) -> None:
    begun: dict[str, float] = {}

    def health(name: str, after_s: float) -> Callable[[datetime], str | None]:
        def check(started_at: datetime) -> str | None:
            first = begun.setdefault(name, time.monotonic())
            return None if time.monotonic() - first >= after_s else "not yet"

        return check

    order: list[str] = []
    programs = [
        python_program("last", SLEEP, needs=("step",), health=health("last", 0)),
        python_program("store", SLEEP, health=health("store", 1.0)),
        python_program("other", SLEEP, health=health("other", 0)),
    ]
    start(server, programs, [Step("step", ("store",), lambda: order.append("step"))])
    assert order == ["step"]
    assert begun["other"] - begun["store"] < 0.5
    assert begun["last"] - begun["store"] > 1.0


def test_a_program_that_keeps_dying_is_an_error_with_its_last_words(
    server: Supervisord, python_program: MakeProgram
) -> None:
    # Longer than supervisord's own patience with a start, so that it would go on for ever.
    code = "import time; time.sleep(2.5); raise SystemExit('the disk is full')"
    never = python_program("one", code, health=lambda _: "not up")
    with pytest.raises(PlatformError, match=r"one keeps dying(.|\n)*the disk is full"):
        start(server, [never])
    assert server.state("one").state in {"STOPPED", "FATAL", "EXITED"}


def test_a_program_that_cannot_start_is_an_error_with_its_last_words(
    server: Supervisord, python_program: MakeProgram
) -> None:
    with pytest.raises(PlatformError, match=r"one keeps dying(.|\n)*no such option"):
        start(
            server,
            [
                python_program(
                    "one", "raise SystemExit('no such option')", health=lambda _: "not up"
                )
            ],
        )


def test_a_program_that_is_not_healthy_in_time_is_an_error_that_says_what_is_missing(
    server: Supervisord, python_program: MakeProgram
) -> None:
    slow = python_program("one", SLEEP, health=lambda _: "tables are missing", start_wait_s=1)
    with pytest.raises(PlatformError, match=r"not healthy 1 s after its start: tables are missing"):
        start(server, [slow, python_program("two", SLEEP)])
    assert server.state("two").pid is not None  # the others stay


def test_a_failed_step_is_raised(server: Supervisord, python_program: MakeProgram) -> None:
    def fail() -> None:
        raise PlatformError("no right to create")

    with pytest.raises(PlatformError, match="no right to create"):
        start(server, [python_program("one", SLEEP)], [Step("step", ("one",), fail)])


def test_restarts_of_the_past_do_not_count(
    server: Supervisord, python_program: MakeProgram, home: Path
) -> None:
    programs = [python_program("one", SLEEP)]
    start(server, programs)
    (home / "supervisor" / "one.starts").write_text("a\n" * 9)
    bring_up(server, programs, [], QUIET)
    assert server.state("one").restart_count == 8
