"""Expectations learned from a period: what is proposed, what a review changes, what fails."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from expectations import features
from pipelines import settings as settings_module
from pipelines.cli import app
from pipelines.contracts import CREATED_TIMESTAMP, EVENT_TIMESTAMP, FeatureView
from pipelines.errors import ValidationFailedError
from pipelines.features.views import VIEWS
from pipelines.history.schema import TIMESTAMP
from pipelines.settings import Settings
from pipelines.validate.learn import learn_expectations
from pipelines.validate.learned import (
    Kind,
    LearnedExpectation,
    LearnedView,
    learned_path,
    read_learned,
    write_learned,
)
from pipelines.validate.report import Severity
from pipelines.validate.run import run_suite

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
UNTIL = datetime(2024, 4, 1, tzinfo=UTC)
NULLABLE = {"count": False, "share": True, "word": False, "word_attributes": False, "at": False}
VIEW = FeatureView.ACTIVITY_STATS


def write_rows(lake: Path, values: dict[str, list[object]], events: list[datetime]) -> None:
    folder = lake / "features" / "things" / "interval=2024-03-01"
    folder.mkdir(parents=True, exist_ok=True)
    times = pa.array(events, TIMESTAMP)
    pq.write_table(
        pa.table({**values, EVENT_TIMESTAMP: times, CREATED_TIMESTAMP: times}),
        folder / "part.parquet",
    )


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """1,001 rows in March whose values are known, and a row of an odd April."""
    count = 1_001
    values: dict[str, list[object]] = {
        "count": [*range(count), 9_999],
        "share": [None if i % 4 == 0 else 0.5 for i in range(count)] + [7.0],
        "word": [("a", "b", "c")[i % 3] for i in range(count)] + ["April's"],
        "word_attributes": ["{}"] * (count + 1),
        "at": [FIRST] * (count + 1),
    }
    events = [FIRST + timedelta(minutes=i) for i in range(count)] + [UNTIL]
    write_rows(tmp_path, values, events)
    return tmp_path


def test_what_is_proposed(lake: Path) -> None:
    learned = learn_expectations(str(lake), "things", NULLABLE, FIRST, UNTIL)
    assert learned.row_count == 1_001
    assert learned.reviewed_by == ""
    found = {(one.column, one.kind): one.observed for one in learned.expectations}
    assert found == {
        ("count", Kind.RANGE): (1.0, 999.0),
        ("count", Kind.MEDIAN): (500.0, 250.0, 750.0),
        ("share", Kind.NULL_SHARE): (round(251 / 1_001, 6),),
        ("share", Kind.RANGE): (0.5, 0.5),
        ("share", Kind.MEDIAN): (0.5, 0.5, 0.5),
        ("word", Kind.CATEGORIES): ("a", "b", "c"),
    }
    assert not any(one.reviewed for one in learned.expectations)


def test_a_column_of_many_texts_is_no_category(tmp_path: Path) -> None:
    texts: list[object] = [f"text {i}" for i in range(300)]
    write_rows(tmp_path, {"word": texts}, [FIRST] * 300)
    learned = learn_expectations(str(tmp_path), "things", {"word": False}, FIRST, UNTIL)
    assert learned.expectations == ()


def test_a_period_must_have_rows(lake: Path) -> None:
    with pytest.raises(ValidationFailedError, match=r"has 1 rows .*; at least 200"):
        learn_expectations(str(lake), "things", NULLABLE, UNTIL, UNTIL + timedelta(days=9))
    with pytest.raises(ValidationFailedError, match="has 0 rows"):
        learn_expectations(str(lake), "nothing", NULLABLE, FIRST, UNTIL)
    with pytest.raises(ValidationFailedError, match="no period"):
        learn_expectations(str(lake), "things", NULLABLE, UNTIL, FIRST)


@pytest.mark.parametrize(
    ("kind", "observed", "tolerance", "bounds"),
    [
        (Kind.RANGE, (10, 20), 0.5, (5, 25)),
        (Kind.RANGE, (4, 4), 0.5, (2, 6)),  # one value: its own size is the measure
        (Kind.RANGE, (0, 0), 0.5, (-0.5, 0.5)),
        (Kind.MEDIAN, (3, 2, 6), 0.5, (1, 5)),
    ],
)
def test_bounds(
    kind: Kind, observed: tuple[float, ...], tolerance: float, bounds: tuple[float, float]
) -> None:
    assert LearnedExpectation("x", kind, observed, tolerance).bounds == bounds


def learned_view(*expectations: LearnedExpectation, reviewed_by: str = "") -> LearnedView:
    return LearnedView(VIEW.value, FIRST, UNTIL, 500, expectations, reviewed_by)


RANGE = LearnedExpectation("open_task_count", Kind.RANGE, (0, 10), 0.5)
ODD = LearnedExpectation("activity", Kind.CATEGORIES, ('"', "ä\\", "\x7f\n", "🙂"), 0.1, note="…")


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    learned = learned_view(RANGE, ODD, reviewed_by='Ann "the reviewer"')
    path = write_learned(tmp_path / "new", learned)
    assert path == learned_path(tmp_path / "new", VIEW.value)
    assert read_learned(tmp_path / "new", VIEW.value) == learned
    assert read_learned(tmp_path, VIEW.value) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "range"', 'kind = "rainbow"', "'rainbow' is not a valid Kind"),
        ("observed = [0, 10]", "observed = [0]", "needs 2 observed values"),
        ("tolerance = 0.5", "tolerance = -1", "a tolerance of 0 or more"),
        ("tolerance = 0.5", "", "tolerance"),
        ("row_count = 500", "row_count = ", "cannot be read"),
        ('view = "activity_stats"', 'view = "team_load"', "rename it"),
        ("row_count", "rows", "unexpected keyword argument 'rows'"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_learned(tmp_path, learned_view(RANGE))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValidationFailedError, match=words) as error:
        read_learned(tmp_path, VIEW.value)
    assert str(path) in str(error.value)


def rows_of_view(**columns: object) -> pd.DataFrame:
    count, now = 100, FIRST
    rows = {
        field.name: pd.Series(
            [now if pa.types.is_timestamp(field.type) else 5.0] * count
            if not pa.types.is_string(field.type)
            else [f"a{i}" for i in range(count)]
        )
        for field in VIEWS[VIEW].schema
    }  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


NULLS = LearnedExpectation("sojourn_time_s_mean_30d", Kind.NULL_SHARE, (0.1,), 0.05)
MEDIAN = LearnedExpectation("event_count_30d", Kind.MEDIAN, (5, 4, 6), 0.5)
TRIALS = [
    (RANGE, {"open_task_count": [15.0] * 100}, {"open_task_count": [16.0] * 100}),
    (
        NULLS,
        {NULLS.column: [None] * 15 + [1.0] * 85},
        {NULLS.column: [None] * 16 + [1.0] * 84},
    ),
    (MEDIAN, {"event_count_30d": [6.0] * 100}, {"event_count_30d": [6.1] * 100}),
]


@pytest.mark.parametrize(("expectation", "usual", "unusual"), TRIALS)
@pytest.mark.parametrize(
    ("reviewed_by", "is_reviewed"), [("Ann", True), ("", True), ("Ann", False), ("", False)]
)
def test_only_what_was_reviewed_stops(  # noqa: PLR0917
    expectation: LearnedExpectation,
    usual: dict[str, object],
    unusual: dict[str, object],
    reviewed_by: str,
    is_reviewed: bool,
    tmp_path: Path,
) -> None:
    expectation = replace(expectation, reviewed=is_reviewed)
    learned = learned_view(expectation, reviewed_by=reviewed_by)
    suite = features.suite(VIEWS[VIEW], learned)
    assert run_suite(rows_of_view(**usual), suite, tmp_path).failures == ()
    (failure,) = run_suite(rows_of_view(**unusual), suite, tmp_path).failures
    assert failure.column == expectation.column
    stops = reviewed_by and is_reviewed
    assert failure.severity is (Severity.CRITICAL if stops else Severity.INFO)


def test_categories_leave_room_for_some_others(tmp_path: Path) -> None:
    view = VIEWS[FeatureView.WORKFLOW_PROGRESS]
    words = LearnedExpectation("last_activity", Kind.CATEGORIES, ("a", "b"), 0.02)
    suite = features.suite(view, replace(learned_view(words), view=view.name.value))
    (one,) = (e for e in suite.expectations if isinstance(e, gxe.ExpectColumnValuesToBeInSet))
    suite.expectations = [one]
    for others, count in ((2, 0), (3, 1)):
        rows = pd.DataFrame({"last_activity": ["new"] * others + ["b"] * (100 - others)})
        assert len(run_suite(rows, suite, tmp_path).failures) == count


def test_suites_take_what_a_folder_has(tmp_path: Path) -> None:
    plain = {name: len(suite.expectations) for name, suite in features.suites().items()}
    write_learned(tmp_path, learned_view(RANGE, MEDIAN))
    found = {name: len(suite.expectations) for name, suite in features.suites(tmp_path).items()}
    assert found == plain | {VIEW: plain[VIEW] + 2}
    write_learned(tmp_path, learned_view(replace(RANGE, column="gone")))
    with pytest.raises(ValidationFailedError, match="gone, which the view does not have"):
        features.suites(tmp_path)


def test_command_learns_and_never_overwrites_a_review(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, _env_file=None)
    monkeypatch.setattr(settings_module, "get_settings", lambda: settings)
    spec = VIEWS[FeatureView.TEAM_LOAD]
    rng = np.random.default_rng(1)
    columns = {
        field.name: pa.array([FIRST] * 300, field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array([str(i) for i in range(300)])
        if pa.types.is_string(field.type)
        else pa.array(rng.integers(0, 9, 300)).cast(field.type)
        for field in spec.schema
    }
    folder = Path(settings.lake) / "features" / spec.name.value / "interval=2024-03-01"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns, schema=spec.schema), folder / "part.parquet")
    command = ["learn-expectations", "--view", "team_load", "--from", "2024-03-01",
               "--until", "2024-04-01"]  # fmt: skip
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    learned = read_learned(settings.expectations_dir, "team_load")
    assert learned is not None
    assert {one.column for one in learned.expectations} == {c.name for c in spec.columns}
    assert (learned.learned_from, learned.learned_until) == (FIRST, UNTIL)
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, ValidationFailedError)
    assert "--replace" in str(again.exception)
    assert CliRunner().invoke(app, [*command, "--replace"]).exit_code == 0
