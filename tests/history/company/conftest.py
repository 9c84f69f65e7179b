"""One small history for rules, one of the usual size for distributions; each made once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.history.company import simulate_company
from pipelines.history.schema import HistoryFiles


@dataclass(frozen=True)
class History:
    files: HistoryFiles

    def table(self, name: str) -> pa.Table:
        path = self.files.master.get(name) or getattr(self.files, name)
        return pq.read_table(path)

    def frame(self, name: str) -> pd.DataFrame:
        return self.table(name).to_pandas()


Simulate = Callable[..., History]


@pytest.fixture(scope="session")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    def run(task_count: int, seed: int, **more: object) -> History:
        scratch: Path = tmp_path_factory.mktemp("company")
        return History(simulate_company(scratch, task_count=task_count, seed=seed, **more))

    return run


@pytest.fixture(scope="session")
def small(simulate: Simulate) -> History:
    return simulate(3_000, 7)


@pytest.fixture(scope="session")
def usual(simulate: Simulate) -> History:
    return simulate(20_000, 20_240_101)
