"""### From history to features

| step | what it does |
|---|---|
| `validate_history` | Great Expectations on every history table; refused rows go to quarantine, a critical failure stops here |
| `compute` | the feature views' rows of the interval since the last build, from the good rows recorded before the watermark; all rows where anything that build was made from has changed |
| `validate_features` | Great Expectations on every view, with what was learned from your own rows and reviewed (`workcast learn-expectations`); a critical failure stops before anything is served |
| `apply` | registers entities, views and feature services with Feast |
| `materialise` | writes the latest row of every key to the online store, then moves the watermark |
| `certify` | compares a sample of keys online with what training would see at the watermark, and writes the parity certificate; a difference stops here, and no model is trained |

**When it runs**: on every update of the asset `lake_history`, or by hand.

**Parameters**: `until`, ISO 8601 with offset: use only what was recorded before it. Without it,
the end of the last extracted interval. `from_scratch`: compute all rows again. That happens by
itself after the first build, a change of the views, of the older history or of its quarantine;
both ways give the same rows.

**Retry, rerun, backfill**: each step replaces what it wrote; the watermark moves last, so a
reader never sees a moment whose features are not there. `max_active_runs=1` keeps two
materialisations from crossing.
"""

from airflow.sdk import Metadata, Param, dag, task

from dags.assets import FEATURES, LAKE_HISTORY
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import DagId


@dag(
    dag_id=DagId.BUILD_FEATURES.value,
    schedule=[LAKE_HISTORY],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
    params={
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="Use what was recorded before this moment.",
        ),
        "from_scratch": Param(
            default=False,
            type="boolean",
            description="Compute all rows, not only those of the interval since the last build.",
        ),
    },
)
def build_features():
    """Wire the six steps."""

    @task
    def validate_history(params=None):
        from expectations import history
        from pipelines.jobs.features import validate_history_until
        from pipelines.settings import get_settings

        return validate_history_until(get_settings(), params["until"], history.suites())

    @task
    def compute(until, params=None):
        from pipelines.jobs.features import compute_views
        from pipelines.settings import get_settings

        return compute_views(get_settings(), until, from_scratch=params["from_scratch"])

    @task
    def validate_features(until):
        from expectations import features
        from pipelines.jobs.features import validate_views
        from pipelines.settings import get_settings

        settings = get_settings()
        return validate_views(settings, until, features.suites(settings.expectations_dir))

    @task
    def apply(until):
        from pipelines.settings import get_settings
        from pipelines.store.repo import apply

        apply(get_settings())
        return until

    @task
    def materialise(until):
        from pipelines.jobs.features import materialise_views
        from pipelines.settings import get_settings

        materialise_views(get_settings(), until)
        return until

    @task(outlets=[FEATURES])
    def certify(until):
        from pipelines.jobs.parity import certify
        from pipelines.settings import get_settings

        digest = certify(get_settings(), until)
        yield Metadata(FEATURES, {"watermark": until, "parity_sha256": digest})

    certify(materialise(apply(validate_features(compute(validate_history())))))


build_features()
