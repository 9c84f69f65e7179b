import math

import numpy as np
import pandas as pd
import pytest

from pipelines.errors import TrainingError
from pipelines.learning import encode
from pipelines.learning.encode import Column, Encoder, Kind
from pipelines.learning.fit_encoder import fit_encoder
from tests.learning.history import make_history

NOW = pd.Timestamp("2024-05-01T12:00", tz="UTC")


def _frame(count: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "workflow_id": [f"w{i}" for i in range(count)],
            "as_of": [NOW + pd.Timedelta(days=i) for i in range(count)],
            "event_timestamp": [NOW + pd.Timedelta(days=i) for i in range(count)],
            "activity": "handle",
            "opened_at": [NOW] * count,
            "workflow_progress__last_event_at": [NOW + pd.Timedelta(hours=i) for i in range(count)],
            "event_count": range(count),
            "constant": 1,
            "template_id": ["a"] * (count - 12) + ["b"] * 10 + ["rare"] * 2,
            "last_completed_at": [NOW + pd.Timedelta(days=i, hours=-i) for i in range(count)],
            "workflow_attributes": [
                f'{{"amount": "{i}", "city": "{"x" if i % 2 else "y"}", "list": [1]}}'
                for i in range(count)
            ],
            "task_attributes": [None] * count,
            "remaining_time_s": 1.0 * np.arange(count),
            "is_late": [True, False] * (count // 2),
        }
    )


@pytest.fixture
def by_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode every frame as one of many rows is."""
    monkeypatch.setattr(encode, "FEW_ROWS", 0)


def test_columns_kinds_and_levels_come_from_the_rows() -> None:
    encoder = fit_encoder(_frame())
    assert encoder.columns == (
        Column("event_count", "event_count", Kind.NUMBER),
        Column("template_id", "template_id", Kind.CATEGORY, None, ("a", "b")),
        Column("last_completed_at", "last_completed_at", Kind.AGE),
        Column("workflow_attributes.amount", "workflow_attributes", Kind.NUMBER, "amount"),
        Column(
            *("workflow_attributes.city", "workflow_attributes", Kind.CATEGORY, "city"),
            ("x", "y"),
        ),
    )
    assert encoder.sources == [
        *("event_count", "template_id", "last_completed_at", "workflow_attributes", "as_of")
    ]
    assert encoder.categorical == [1, 4]


def test_values_become_numbers() -> None:
    encoder = fit_encoder(_frame())
    rows = pd.DataFrame(
        {
            "as_of": [NOW] * 4,
            "event_count": [3.0, np.nan, np.inf, 7],
            "template_id": ["b", "never seen", None, "rare"],
            "last_completed_at": pd.Series(
                [NOW - pd.Timedelta(minutes=1), NOW, pd.NaT, NOW], dtype="datetime64[us, UTC]"
            ),
            "workflow_attributes": ['{"amount": 12.5, "city": "y"}', '{"amount": "?"}', None, "x"],
        }
    )
    nan = math.nan
    np.testing.assert_array_equal(
        encoder.matrix(rows),
        [
            [3, 1, 60, 12.5, 1],
            [nan, 2, 0, nan, nan],
            [nan, nan, nan, nan, nan],
            [7, 2, 0, nan, nan],
        ],
    )


@pytest.mark.usefixtures("by_pandas")
def test_one_row_is_encoded_as_many_are() -> None:
    frame = make_history(50).moments
    encoder = fit_encoder(frame)
    expected = encoder.matrix(frame)
    rows = [encoder.row(values)[0] for values in frame.to_dict("records")]
    np.testing.assert_array_equal(np.array(rows), expected)


@pytest.mark.usefixtures("by_pandas")
def test_columns_are_encoded_as_a_frame_is() -> None:
    frame = pd.concat([_frame(), _frame()], ignore_index=True)
    texts = frame["workflow_attributes"]
    assert 1 < texts.nunique() < len(frame)  # rows that share theirs
    encoder = fit_encoder(frame)
    for some in (frame, frame.iloc[::-1], frame[:1], frame[:0]):
        columns = {name: some[name].astype(object).tolist() for name in encoder.sources}
        np.testing.assert_array_equal(encoder.matrix_of_columns(columns), encoder.matrix(some))


@pytest.mark.usefixtures("by_pandas")
def test_an_empty_text_is_missing_in_one_row_and_in_many() -> None:
    frame = _frame()
    frame.loc[frame.index % 2 == 0, "template_id"] = ""
    encoder = fit_encoder(frame)
    position = encoder.names.index("template_id")
    assert "" not in encoder.columns[position].levels
    matrix = encoder.matrix(frame)[:, position]
    rows = [encoder.row(row)[0, position] for row in frame.to_dict("records")]
    assert np.isnan(matrix[::2]).all()
    np.testing.assert_array_equal(matrix, rows)


def test_each_kind_of_value_has_its_code() -> None:
    encoder = Encoder(
        (
            Column("kind", "kind", Kind.CATEGORY, None, ("3", "True", "a", "nan")),
            Column("o.k", "o", Kind.CATEGORY, "k", ("a", "3")),
        )
    )
    values = ["a", "3", 3, 3.0, 3.5, True, 1, "b", "nan", math.nan, None, pd.NA, pd.NaT, "", [], {}]
    rows = [{"kind": value, "o": {"k": value}} for value in values]
    nan = math.nan
    expected = np.array(
        [
            [2, 0, 0, 0, 4, 1, 4, 4, 3, nan, nan, nan, nan, nan, nan, nan],
            [0, 1, 1, 1, 2, 2, 2, 2, 2, nan, nan, nan, nan, nan, nan, nan],
        ]
    ).T
    np.testing.assert_array_equal(encoder.matrix_of_rows(rows), expected)
    np.testing.assert_array_equal([encoder.row(row)[0] for row in rows], expected)


@pytest.mark.parametrize("missing", [None, pd.NaT, math.nan])
def test_the_age_of_a_missing_time_is_missing(missing: object) -> None:
    encoder = Encoder((Column("seen_at", "seen_at", Kind.AGE),))
    rows = [{"as_of": NOW, "seen_at": at} for at in (missing, NOW - pd.Timedelta(seconds=90))]
    np.testing.assert_array_equal(encoder.matrix_of_rows(rows), [[math.nan], [90]])


@pytest.mark.parametrize("few", [0, 50])
def test_times_may_be_texts(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "FEW_ROWS", few)
    frame = _frame()
    encoder = fit_encoder(frame)
    texts = frame.assign(
        as_of=frame["as_of"].map(pd.Timestamp.isoformat),
        last_completed_at=frame["last_completed_at"]
        .map(pd.Timestamp.isoformat)
        .where(frame["event_count"] > 0),
    )
    expected = encoder.matrix(frame)
    expected[0, encoder.names.index("last_completed_at")] = np.nan
    np.testing.assert_array_equal(encoder.matrix(texts), expected)


def test_the_columns_survive_their_spec() -> None:
    encoder = fit_encoder(_frame())
    assert Encoder.from_spec(encoder.to_spec()) == encoder


def test_a_shift_of_the_calendar_changes_nothing() -> None:
    """Absolute dates never reach the model."""
    frame = make_history(60).moments
    encoder = fit_encoder(frame)
    times = [c for c in frame.columns if str(frame[c].dtype).startswith("datetime")]
    shifted = frame.assign(**{c: frame[c] + pd.Timedelta(days=700) for c in times})
    np.testing.assert_array_equal(encoder.matrix(shifted), encoder.matrix(frame))
    assert fit_encoder(shifted) == encoder


def test_labels_never_become_features() -> None:
    frame = _frame()
    other = frame.assign(remaining_time_s=0.0, is_late=True, lead_time_s=5.0, is_closed=True)
    assert fit_encoder(other) == fit_encoder(frame)


@pytest.mark.parametrize("as_row", [False, True])
def test_a_missing_column_is_named(as_row: bool) -> None:
    encoder = fit_encoder(_frame())
    frame = _frame().drop(columns="template_id")
    with pytest.raises(TrainingError, match=r"lacks? the columns? template_id"):
        encoder.row(frame.iloc[0].to_dict()) if as_row else encoder.matrix(frame)


def test_rows_without_variation_are_refused() -> None:
    frame = _frame()[["workflow_id", "as_of", "constant"]]
    with pytest.raises(TrainingError, match="nothing to learn from"):
        fit_encoder(frame)
