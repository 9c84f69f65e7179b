import numpy as np
import pandas as pd
import pytest

from pipelines.learning.assignee.coded_log import CodedLog, code_log
from pipelines.learning.assignee.pairs import Pairs, make_pairs
from pipelines.learning.assignee.ranker import Ranker, fit_ranker
from tests.learning.assignee.office import office_events, sides


@pytest.fixture(scope="session")
def events() -> pd.DataFrame:
    return office_events()


@pytest.fixture(scope="session")
def log(events: pd.DataFrame) -> CodedLog:
    return code_log(events)


@pytest.fixture(scope="session")
def pairs(log: CodedLog) -> Pairs:
    return make_pairs(log, log.is_handover)


@pytest.fixture(scope="session")
def ranker(log: CodedLog, pairs: Pairs) -> Ranker:
    train = pairs.where(np.arange(len(pairs.size)) < 200)
    return fit_ranker(train, *sides(log, train), seed=3)
