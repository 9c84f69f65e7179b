"""### From features to alerts

| step | what it does |
|---|---|
| `settle` | scores every running workflow (with the champion of `delay_risk`), open task, person and activity as known at the features' watermark; raises an alert where a score reaches the least of its kind, updates the open ones, closes those whose risk no longer holds; the service shows them at `GET /alerts` |

**When it runs**: on every update of the asset `features`, and of `promotions`, since a new
champion sees other workflows at risk; or by hand.

**Parameters**: none. `WORKCAST_ALERT_MIN_SCORE` and `WORKCAST_ALERT_MAX_COUNT` say what is worth
an alert.

**Retry, rerun, backfill**: a rerun finds the same alerts and changes none: a subject has one open
alert of a kind. A kind that cannot be told (no champion yet, too short a history) keeps its
alerts as they are. `max_active_runs=1` keeps two runs from closing what the other has raised;
the table's lock does so for other callers.
"""

from airflow.sdk import dag, task

from dags.assets import FEATURES, PROMOTIONS
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import DagId


@dag(
    dag_id=DagId.RAISE_ALERTS.value,
    schedule=(FEATURES | PROMOTIONS),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
)
def raise_alerts():
    """Wire the one step."""

    @task
    def settle():
        from pipelines.jobs.alerts import raise_alerts
        from pipelines.settings import get_settings

        return raise_alerts(get_settings())

    settle()


raise_alerts()
