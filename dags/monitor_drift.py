"""### What has changed since the champion was trained

| step | what it does |
|---|---|
| `validate_predictions` | Great Expectations on the prediction log |
| `report_<model>` | an Evidently report of the champion's later window against its training period: data drift and quality of its predictions; in the Evidently UI and as HTML |
| `publish_docs` | builds the data docs of all validations |

**When it runs**: on every update of the asset `promotions`, or by hand.

**Parameters**: none.

**Retry, rerun, backfill**: a rerun adds a report; the oldest ones beyond
`WORKCAST_REPORT_RETENTION` are removed.
"""

from airflow.sdk import dag, task

from dags.assets import PROMOTIONS
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import WORKFLOW_MODELS, DagId


@dag(
    dag_id=DagId.MONITOR_DRIFT.value,
    schedule=[PROMOTIONS],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
)
def monitor_drift():
    """Wire the log's check, the reports and the docs."""

    @task
    def validate_predictions():
        from expectations import predictions
        from pipelines.jobs.drift import validate_prediction_log
        from pipelines.settings import get_settings

        return validate_prediction_log(get_settings(), predictions.suite())

    @task
    def report(model):
        from pipelines.jobs.drift import report_drift
        from pipelines.settings import get_settings

        return report_drift(get_settings(), model)

    @task(trigger_rule="all_done")
    def publish_docs():
        from pipelines.jobs.drift import publish_docs
        from pipelines.settings import get_settings

        return publish_docs(get_settings())

    reports = [report.override(task_id=f"report_{model}")(model.value) for model in WORKFLOW_MODELS]
    validate_predictions() >> reports >> publish_docs()


monitor_drift()
