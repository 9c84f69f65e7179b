"""Who says how probable a breach is: shares of groups, two common classifiers, the platform."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from pipelines.bench.measure import Work
from pipelines.learning import delay_risk
from pipelines.learning.column_sets import column_sets
from pipelines.learning.columns import LABELS, find_column
from pipelines.learning.encode import Encoder
from pipelines.learning.encode_values import expand_json
from pipelines.learning.examples import Values
from pipelines.learning.fit_encoder import fit_encoder
from pipelines.learning.holdout import held_out_examples

LEARNER: Final = "Workcast's delay risk"
Answer = Callable[[pd.DataFrame, pd.DataFrame, int, int], Values]
"""Takes training rows, test rows, learners to try and a seed; returns probabilities."""

_PRIOR_ROWS: Final = 20
_ATTRIBUTES: Final = "workflow_attributes"
_NO_VALUE: Final = -1.0  # a code or a count that no row has


def groups(rows: pd.DataFrame, names: Collection[str]) -> pd.Series:
    """Return each row's group: the values of features or workflow attributes of these names.

    Names that the rows do not have are left out.
    """
    attributes = find_column(rows, _ATTRIBUTES)
    values = []
    for name in names:
        column = find_column(rows, name)
        if column is not None:
            values.append(rows[column].astype(str))
        elif attributes is not None:
            values.append(expand_json(rows[attributes], [name])[name].astype(str))
    if not values:
        return pd.Series("", index=rows.index)
    return pd.concat(values, axis=1).agg("|".join, axis=1)


def prepare(name: str, folder: Path, trial_count: int, seed: int) -> Work:
    """Read what `measure_sla` wrote into a folder; return the work of one contender.

    Its process imports this module and not what reads logs: that would take longer than most of
    the answers.
    """
    train, test = (pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "test"))
    # No answer may know the labels of the test rows, nor what follows from them.
    test = test.drop(columns=list(LABELS))
    return lambda: ANSWERS[name](train, test, trial_count, seed)


def _late(train: pd.DataFrame) -> Values:
    return train["is_late"].to_numpy(dtype=float)


def _base_rate(train: pd.DataFrame, test: pd.DataFrame, _trials: int, _seed: int) -> Values:
    return np.full(len(test), float(_late(train).mean()))


def _share_by(*names: str) -> Answer:
    """Answer with each group's share, drawn towards the whole's by twenty rows."""

    def answer(train: pd.DataFrame, test: pd.DataFrame, _trials: int, _seed: int) -> Values:
        late = pd.Series(_late(train), index=train.index)
        known = late.groupby(groups(train, names))
        shares = (known.sum() + _PRIOR_ROWS * late.mean()) / (known.count() + _PRIOR_ROWS)
        of_test = groups(test, names).map(shares)
        return np.array(of_test.fillna(late.mean()), dtype=np.float64)

    return answer


def _own_columns(encoder: Encoder) -> list[int]:
    """Return the workflow's own columns: counts of the company tell peers the week, and no more.

    The platform's learner has to find that out by itself.
    """
    return list(next(iter(column_sets(encoder).values())))


def _forest(train: pd.DataFrame, test: pd.DataFrame, _trials: int, seed: int) -> Values:
    encoder = fit_encoder(train)
    columns = _own_columns(encoder)
    forest = RandomForestClassifier(100, min_samples_leaf=10, n_jobs=1, random_state=seed)
    forest.fit(np.nan_to_num(encoder.matrix(train)[:, columns], nan=_NO_VALUE), _late(train))
    rows = np.nan_to_num(encoder.matrix(test)[:, columns], nan=_NO_VALUE)
    return np.asarray(forest.predict_proba(rows)[:, 1])


def _regression(train: pd.DataFrame, test: pd.DataFrame, _trials: int, seed: int) -> Values:
    encoder = fit_encoder(train)
    columns = _own_columns(encoder)
    is_code = [column in encoder.categorical for column in columns]
    codes = [i for i, code in enumerate(is_code) if code]
    others = [i for i, code in enumerate(is_code) if not code]
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), codes),
            (
                make_pipeline(
                    SimpleImputer(add_indicator=True, keep_empty_features=True),
                    QuantileTransformer(n_quantiles=100, random_state=seed),
                ),
                others,
            ),
        ),
        LogisticRegression(max_iter=300),
    )
    model.fit(encoder.matrix(train)[:, columns], _late(train))
    return np.asarray(model.predict_proba(encoder.matrix(test)[:, columns])[:, 1])


def _learner(train: pd.DataFrame, test: pd.DataFrame, trials: int, seed: int) -> Values:
    """Train as the platform does."""
    encoder = fit_encoder(train)
    target = delay_risk.to_target(train["is_late"])
    examples = held_out_examples(train, encoder, target, has_classes=True)
    fitted = delay_risk.fit(examples, trials, seed)
    matrix = encoder.matrix(test)
    raw = {name: score.raw(matrix) for name, score in fitted.scores.items()}
    return delay_risk.answers(raw, fitted.constants)["late_probability"]


ANSWERS: Final[Mapping[str, Answer]] = {
    "base rate": _base_rate,
    "share by priority and category": _share_by("priority", "category"),
    "share by last activity and updates": _share_by("last_activity", "event_count"),
    "logistic regression": _regression,
    "random forest": _forest,
    LEARNER: _learner,
}
