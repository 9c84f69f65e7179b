from pathlib import Path

import pytest

from pipelines.contracts import Transition
from pipelines.errors import MappingError
from pipelines.history.choose import MAPPINGS
from pipelines.history.mapping import load_mapping
from tests.history.conftest import PLAIN


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mapping_has_its_files_name_and_the_standard_transitions(tmp_path: Path) -> None:
    mapping = load_mapping(write(tmp_path, PLAIN + '[transitions]\n"In Work" = "started"\n'))
    assert mapping.name == "own"
    assert mapping.used_columns == ("case", "activity", "time")
    words = mapping.transition_words
    assert words["in work"] is Transition.STARTED
    assert {word: words[word] for word in ("schedule", "reassign", "manualskip", "resumed")} == {
        "schedule": Transition.CREATED,
        "reassign": Transition.ASSIGNED,
        "manualskip": Transition.CANCELLED,
        "resumed": Transition.RESUMED,
    }


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_mappings_are_valid(path: Path) -> None:
    assert load_mapping(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format = ", "no valid TOML"),
        ('format = "csv"', "columns: is missing"),
        (PLAIN + 'clent = "c"', "columns.clent: unknown key; allowed here: activity, client"),
        ("colums = 1\n" + PLAIN, "colums: unknown key; allowed here: closing, columns"),
        (PLAIN.replace('"csv"', '"xls"'), "format = 'xls': input should be 'csv' or 'xes'"),
        (PLAIN + '[reading]\ntime_zone = "Rome"', "no such time zone: 'Rome'"),
        (PLAIN + '[reading]\nencoding = "latin-99"', "no such text encoding: 'latin-99'"),
        (PLAIN + '[reading]\ntimestamp_formats = ["dd/mm/yyyy"]', "'dd/mm/yyyy' is no time format"),
        (PLAIN + '[transitions]\ngo = "begun"', "transitions.go = 'begun'"),
        (PLAIN + "[closing]\nquiet_days = -1", "closing.quiet_days = -1"),
        (PLAIN + '[task_attributes]\nx = "money"', "task_attributes.x = 'money'"),
        (PLAIN + '[left_out]\ncase = "why"', "'case' is listed under left_out and mapped"),
        (
            PLAIN + '[left_out]\nx = "why"\n[workflow_attributes]\nx = "text"',
            "'x' is listed under left_out and mapped",
        ),
        (
            PLAIN + 'outcome = "x"\n[task_attributes]\nx = "text"',
            "outcome 'x' is known at closing only",
        ),
        (PLAIN + '[outcome]\nlate_values = ["no"]', "needs columns.outcome"),
        (PLAIN + 'start_timestamp = "s"\ntransition = "t"', "exclude each other"),
        ('optional = ["case"]\n' + PLAIN, "'case' cannot be optional"),
        ('optional = ["x"]\n' + PLAIN, "'x' is not mapped"),
    ],
)
def test_a_wrong_mapping_says_key_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        load_mapping(write(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"none\.toml cannot be read: No such file"):
        load_mapping(tmp_path / "none.toml")


def test_the_readmes_example_is_a_mapping(tmp_path: Path) -> None:
    text = (MAPPINGS / "README.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    assert len(load_mapping(write(tmp_path, example)).used_columns) == 16
