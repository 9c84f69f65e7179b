import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts import Transition
from pipelines.history.pairing import pair_first_in_first_out

CREATED, ASSIGNED, STARTED = Transition.CREATED, Transition.ASSIGNED, Transition.STARTED
SUSPENDED, RESUMED = Transition.SUSPENDED, Transition.RESUMED
COMPLETED, CANCELLED = Transition.COMPLETED, Transition.CANCELLED


@pytest.mark.parametrize(
    ("transitions", "numbers"),
    [
        ([], []),
        ([COMPLETED, COMPLETED], [1, 2]),
        ([STARTED, STARTED, COMPLETED, COMPLETED], [1, 2, 1, 2]),
        ([COMPLETED, STARTED, COMPLETED], [1, 2, 2]),
        ([CREATED, STARTED, COMPLETED, STARTED, COMPLETED], [1, 1, 1, 2, 2]),
        ([CREATED, CREATED, STARTED, COMPLETED, STARTED], [1, 2, 1, 1, 2]),
        ([CREATED, COMPLETED], [1, 1]),
        ([CREATED, STARTED, CREATED, COMPLETED, COMPLETED], [1, 1, 2, 1, 2]),
        ([STARTED, CREATED, CANCELLED, CANCELLED, CANCELLED], [1, 2, 1, 2, 3]),
        ([CREATED, ASSIGNED, STARTED, ASSIGNED], [1, 1, 1, 1]),
        ([ASSIGNED, STARTED], [1, 1]),
        ([STARTED, SUSPENDED, STARTED, RESUMED, COMPLETED], [1, 1, 2, 1, 1]),
        ([SUSPENDED, RESUMED, COMPLETED, COMPLETED], [1, 1, 1, 2]),
    ],
)
def test_first_in_is_first_out(transitions: list[Transition], numbers: list[int]) -> None:
    assert pair_first_in_first_out(transitions) == numbers


def by_searching(transitions: list[Transition]) -> list[int]:
    """The same rules by search through all tasks, each with a state and a time of start."""
    tasks: list[dict[str, object]] = []

    def first(state: str, key: str = "number") -> dict[str, object] | None:
        having = [task for task in tasks if task["state"] == state]
        return min(having, key=lambda task: task[key]) if having else None  # type: ignore[arg-type, return-value]

    def new(state: str, moment: int) -> dict[str, object]:
        tasks.append({"number": len(tasks) + 1, "state": state, "since": moment})
        return tasks[-1]

    numbers = []
    for moment, transition in enumerate(transitions):
        waiting, running = first("waiting"), first("running", "since")
        if transition == CREATED:
            task = new("waiting", moment)
        elif transition == STARTED:
            task = waiting or new("running", moment)
            task |= {"state": "running", "since": moment}
        elif transition == COMPLETED:
            task = running or waiting or new("done", moment)
            task["state"] = "done"
        elif transition == CANCELLED:
            unfinished = [task for task in (waiting, running) if task]
            task = min(unfinished, key=lambda task: task["number"], default=None)  # type: ignore[arg-type, return-value]
            task = task or new("done", moment)
            task["state"] = "done"
        elif transition == ASSIGNED:
            task = waiting or running or new("waiting", moment)
        else:
            task = running or waiting or new("running", moment)
        numbers.append(task["number"])
    return numbers


@given(st.lists(st.sampled_from(list(Transition)), max_size=40))
def test_the_queues_give_what_a_search_gives(transitions: list[Transition]) -> None:
    assert pair_first_in_first_out(transitions) == by_searching(transitions)


@given(st.lists(st.sampled_from([STARTED, COMPLETED]), max_size=60))
def test_no_task_starts_or_completes_twice_or_completes_first(
    transitions: list[Transition],
) -> None:
    steps: dict[int, list[Transition]] = {}
    numbers = pair_first_in_first_out(transitions)
    for number, transition in zip(numbers, transitions, strict=True):
        steps.setdefault(number, []).append(transition)
    assert all(task in ([STARTED], [COMPLETED], [STARTED, COMPLETED]) for task in steps.values())
    assert sorted(steps) == list(range(1, len(steps) + 1))
