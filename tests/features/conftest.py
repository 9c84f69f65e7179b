"""One DuckDB in memory per test."""

from collections.abc import Iterator

import ibis
import pytest
from ibis.backends.duckdb import Backend


@pytest.fixture
def connection() -> Iterator[Backend]:
    backend = ibis.duckdb.connect(threads=1)
    yield backend
    backend.disconnect()
