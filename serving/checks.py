"""What a new version must show before it may answer."""

import math
from collections.abc import Callable, Set
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from pipelines.contracts import FEATURE_MODELS, WORKFLOW_MODELS, Model
from pipelines.errors import WorkcastError
from pipelines.learning.predictor import Predictor
from pipelines.learning.trained import Recommender
from pipelines.registry.sample import Sample
from serving.models import Candidate, Predicts

# Trees give the same sums wherever they run; other versions of libraries may round otherwise.
TOLERANCE: Final = 1e-6  # relative, and absolute near zero


class CheckFailedError(WorkcastError):
    """A version must not answer: it is kept out until its alias moves."""


Check = Callable[[Model, Candidate], None]


def version_check(columns_of: Callable[[Model], Set[str]]) -> Check:
    """Return the check of versions; `columns_of` names what a row given to a model holds."""

    def check(model: Model, candidate: Candidate) -> None:
        try:
            if model in FEATURE_MODELS:
                require_columns(candidate.predictor, columns_of(model))
            if model in WORKFLOW_MODELS:
                warm_up(model, candidate.predictor)
            if candidate.sample is not None:
                require_same_answers(candidate.predictor, candidate.sample)
        except CheckFailedError:
            raise
        except Exception as err:  # whatever a broken version throws
            raise CheckFailedError(f"{type(err).__name__}: {err}") from err

    return check


def require_columns(predictor: Recommender, known: Set[str]) -> None:
    """See that a row holds every input of a version.

    Raises:
        CheckFailedError: it does not; names the inputs.
    """
    missing = [name for name in predictor.input_columns if name not in known]
    if missing:
        raise CheckFailedError(
            f"its inputs {', '.join(missing)} are neither in the feature service nor known at "
            "the time of the request; train it on the features of this release"
        )


def warm_up(model: Model, predictor: Predicts) -> None:
    """Let a version answer rows about which nothing is known; see that it gives numbers.

    Raises:
        CheckFailedError: it does not.
    """
    blank = pd.DataFrame({name: [None, None] for name in predictor.input_columns})
    blank["as_of"] = pd.Timestamp(datetime.now(UTC))
    for rows in (blank, blank.head(1)):
        predicted = predictor.predict(rows)
        if len(predicted) != len(rows) or predicted.isna().to_numpy().any():
            raise CheckFailedError(f"it answers {predicted.to_dict('records')} to blank rows")
    values = [{str(name): value for name, value in blank.iloc[0].items()}]
    for count in (1, 2):
        predictor.predict_rows(values * count)
        if model is Model.DELAY_RISK:
            predictor.explained_rows(values * count)


def require_same_answers(recommender: Recommender, sample: Sample) -> None:
    """See that a version answers its sample as it did when it was made, in every way of asking.

    Raises:
        CheckFailedError: it does not; says the first difference.
    """
    _require_same(sample.answers, recommender.predict(sample.frame))
    if isinstance(recommender, Predictor):
        one_by_one = [pd.DataFrame(recommender.predict_rows([row])) for row in sample.rows]
        _require_same(sample.answers, pd.concat(one_by_one, ignore_index=True))
        _require_same(sample.answers, pd.DataFrame(recommender.predict_rows(sample.rows)))


def _require_same(expected: pd.DataFrame, answers: pd.DataFrame) -> None:
    if list(expected.columns) != list(answers.columns):
        raise CheckFailedError(
            f"it answers {', '.join(answers.columns)}, not {', '.join(expected.columns)}"
        )
    if len(expected) != len(answers):
        raise CheckFailedError(f"it answers {len(answers)} rows to its sample, not {len(expected)}")
    for name in expected.columns:
        pairs = zip(expected[name].tolist(), answers[name].tolist(), strict=True)
        for place, (wanted, given) in enumerate(pairs):
            if not _is_same(wanted, given):
                raise CheckFailedError(
                    f"row {place} of its sample: {name} is {given!r}, and was {wanted!r} when "
                    "the version was made"
                )


def _is_same(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, float) and isinstance(given, float):
        both_missing = math.isnan(wanted) and math.isnan(given)
        return both_missing or math.isclose(given, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(wanted == given)
