"""### From the source database to the lake

Copies what was **recorded** in the half-open interval `[start, end)` into
`lake/history/<table>/interval=<start>/part.parquet`, and what is **open at the end** of all that is
extracted into `lake/present/open_tasks.parquet` and `people.parquet`, from which the service
answers while the source database is away.

| step | what it does |
|---|---|
| `extract` | writes each file aside and renames it, so a reader sees the old or the new one |

**When it runs**: on every update of the asset `source_history` (an import, a simulation, an
application that says it wrote), or by hand.

**Parameters**: `start` and `end`, ISO 8601 with offset. Without them the interval of the
triggering asset events is taken; without any, everything recorded so far.

**Retry, rerun, backfill**: partitions are replaced whole, the same interval gives the same
bytes; backfill by triggering with the older interval. `max_active_runs=1` keeps two runs from
replacing one partition at the same time.
"""

from airflow.sdk import Metadata, Param, dag, task

from dags.assets import LAKE_HISTORY, SOURCE_HISTORY
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import DagId

_MOMENT = {"type": ["null", "string"], "format": "date-time"}


@dag(
    dag_id=DagId.EXTRACT_HISTORY.value,
    schedule=[SOURCE_HISTORY],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
    params={
        "start": Param(None, **_MOMENT, description="First recorded_at, included."),
        "end": Param(None, **_MOMENT, description="Recorded_at to stop before."),
    },
)
def extract_history():
    """Wire the one step."""

    @task(outlets=[LAKE_HISTORY])
    def extract(params=None, triggering_asset_events=None):
        from pipelines.jobs.extraction import extract_interval, requested_interval
        from pipelines.settings import get_settings

        events = [e.extra for found in (triggering_asset_events or {}).values() for e in found]
        interval = requested_interval(params["start"], params["end"], events)
        done = extract_interval(get_settings(), *interval)
        yield Metadata(LAKE_HISTORY, {"start": done.start.isoformat(), "end": done.end.isoformat()})

    extract()


extract_history()
