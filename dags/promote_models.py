"""### From challenger to champion

| step | what it does |
|---|---|
| `decide_<model>` | judges challenger and champion on the same later window and moves the alias `champion`, or not, and says why in the registry |

**When it runs**: on every update of the asset `challengers`, or by hand.

**Parameters**: none. The decision is a pure function of both models' figures; ties keep the
champion.

**Retry, rerun, backfill**: a rerun comes to the same decision; the previous champion stays in
the registry and its version is kept in a tag.
"""

from airflow.sdk import dag, task

from dags.assets import CHALLENGERS, PROMOTIONS
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import DagId, Model


@dag(
    dag_id=DagId.PROMOTE_MODELS.value,
    schedule=[CHALLENGERS],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
)
def promote_models():
    """Wire one decision a model and the update of the asset."""

    @task
    def decide(model):
        from pipelines.jobs.promotion import decide_promotion
        from pipelines.settings import get_settings

        return decide_promotion(get_settings(), model)

    @task(outlets=[PROMOTIONS])
    def announce(decisions):
        return decisions

    announce([decide.override(task_id=f"decide_{model}")(model.value) for model in Model])


promote_models()
