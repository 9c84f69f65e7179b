import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning.template.variants import Variants, activity_sequences


def sequences(counts: dict[str, int]) -> pd.Series:
    """Return so many workflows of each variant, a letter an activity."""
    steps = [tuple(text) for text, count in counts.items() for _ in range(count)]
    return pd.Series(steps, index=[f"w{i}" for i in range(len(steps))])


def never_late(of: pd.Series) -> pd.Series:
    return pd.Series(data=False, index=of.index)


def test_tasks_in_order_of_their_first_event_and_repeats_told_once() -> None:
    at = pd.Timestamp("2024-01-01", tz="UTC")
    rows = [
        ("w", "w/b", "b", 5, 3),
        ("w", "w/a1", "a", 0, 0),
        ("w", "w/a2", "a", 1, 1),
        ("w", "w/a1", "a", 9, 6),  # the first task's end
        ("w", "w/c", "c", 5, 2),  # at one instant the log's order counts
        ("w", "w/a3", "a", 8, 5),
        ("v", "v/c", "c", 1, 4),
    ]
    columns = ["workflow_id", "task_id", "activity", "hour", "sequence"]
    events = pd.DataFrame(rows, columns=columns)
    events["occurred_at"] = at + pd.to_timedelta(events["hour"], unit="h")
    found = activity_sequences(events)
    assert found.to_dict() == {"v": ("c",), "w": ("a", "c", "b", "a")}


def test_the_frequent_and_successful_are_kept() -> None:
    taken = sequences({"ab": 30, "abc": 60, "ax": 9, "ay": 12, "az": 12})
    # Two of three `ay` are late: half of all workflows' share in time is 0.47.
    is_late = never_late(taken)
    late = [name for name, steps in taken.items() if steps == ("a", "y")][:8]
    is_late[late] = True
    found = Variants.mine(taken, is_late)
    expected = {"variant-1": ("a", "b", "c"), "variant-2": ("a", "b"), "variant-3": ("a", "z")}
    assert found.steps == expected
    assert Variants.from_spec(found.to_spec()) == found


def test_the_rare_go_to_what_they_are_most_like_or_to_none() -> None:
    variants = Variants({"variant-1": tuple("abc"), "variant-2": tuple("abcde")})
    taken = sequences(dict.fromkeys(["abc", "abxc", "abce", "abcdef", "axc", "xyz"], 1))
    # Steps in common, start and end told: abxc three of six with the first (just enough), abce
    # four of seven with the second, abcdef five of eight with it; axc only two of six.
    expected = ["variant-1", "variant-1", "variant-2", "variant-2", None, None]
    assert variants.assign(taken).tolist() == expected


def test_only_twenty_are_kept_and_none_is_refused() -> None:
    many = sequences({f"a{chr(98 + i)}": 30 - i for i in range(25)})
    assert len(Variants.mine(many, never_late(many)).steps) == 20
    assert list(Variants.mine(many, never_late(many)).steps)[-1] == "variant-20"
    few = sequences({"ab": 9, "ac": 9})
    with pytest.raises(TrainingError, match="None of 2 variants of 18 workflows has 10"):
        Variants.mine(few, never_late(few))
