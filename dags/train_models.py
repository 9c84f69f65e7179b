"""### From features to challengers

| step | what it does |
|---|---|
| `train_<model>` | joins features to prediction moments (only what was known at each), labels and splits them by time, checks them with Great Expectations and keeps them under their content's hash; tries learners and hyper-parameters (Optuna) on the later training workflows, each a nested run; trains the best blend of LightGBM's boosted trees and forests beside simple baselines; logs figures and model card to MLflow and registers the model as `challenger` |

**When it runs**: on every update of the asset `features`, or by hand.

**Parameters**: `seed` of sampling and training, `max_rows` of the training set, `trials` of the
search. The same
features and parameters give the same figures.

**Retry, rerun, backfill**: a rerun registers a further version; nothing is overwritten, and
the alias `champion` is not touched here.
"""

from airflow.sdk import Param, dag, task

from dags.assets import CHALLENGERS, FEATURES
from dags.defaults import DEFAULT_ARGS, TAGS
from pipelines.contracts import DagId, Model


@dag(
    dag_id=DagId.TRAIN_MODELS.value,
    schedule=[FEATURES],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    tags=TAGS,
    params={
        "seed": Param(None, type=["null", "integer"], description="Not set: WORKCAST_SEED."),
        "max_rows": Param(
            None,
            type=["null", "integer"],
            minimum=1000,
            description="Prediction moments to train on; not set: WORKCAST_TRAIN_MAX_ROWS.",
        ),
        "trials": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            description="Learners and hyper-parameters to try; not set: WORKCAST_TRAIN_TRIALS.",
        ),
    },
)
def train_models():
    """Wire one training a model and the update of the asset."""

    @task
    def train(model, params=None, run_id=None):
        from expectations import training
        from pipelines.jobs.training import train_challenger
        from pipelines.settings import get_settings

        return train_challenger(
            get_settings(),
            model,
            training.suite(model),
            seed=params["seed"],
            max_rows=params["max_rows"],
            trial_count=params["trials"],
            dag_run_id=run_id,
        )

    @task(outlets=[CHALLENGERS])
    def announce(versions):
        return versions

    announce([train.override(task_id=f"train_{model}")(model.value) for model in Model])


train_models()
