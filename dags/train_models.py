"""### From features to challengers

| step | what it does |
|---|---|
| `train_remaining_time`, `train_delay_risk` | join features to prediction moments (only what was known at each), label and split them by time, check them with Great Expectations and keep them under their content's hash; try learners and hyper-parameters (Optuna) on the later training workflows, each a nested run; train the best blend of LightGBM's boosted trees and forests |
| `train_task_duration` | the same for every task's waiting, service and sojourn time, with the task's activity and person as the keys of its features; the later training workflows choose the learner of the median and calibrate the intervals |
| `train_assignee` | replays who took which task and learns to rank the people who could have |
| `train_template`, `train_next_activity` | learn which template a new workflow asks for, and which activity follows; of these three, too, each setting tried is a nested run |
| `announce` | tells that there are challengers |

A history that tells too little for one of the last four (nobody named, no task with a start)
leaves that model out, with the reason in the task's log; the others go on.

Every training measures simple baselines on the same later rows, logs figures and model card to
MLflow and registers the model as `challenger`.

**When it runs**: on every update of the asset `features`, or by hand.

**Parameters**: `seed` of sampling and training, `max_rows` of the training set, `trials` of the
search. The same
features and parameters give the same figures.

**Retry, rerun, backfill**: a rerun registers a further version; nothing is overwritten, and
the alias `champion` is not touched here.
"""

from airflow.sdk import Param, TriggerRule, dag, task

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
            description="Rows to train on; not set: WORKCAST_TRAIN_MAX_ROWS.",
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
        from airflow.sdk.exceptions import AirflowSkipException

        from expectations import training
        from pipelines.contracts import WORKFLOW_MODELS
        from pipelines.errors import TrainingError
        from pipelines.jobs.training import train_challenger
        from pipelines.settings import get_settings

        try:
            return train_challenger(
                get_settings(),
                model,
                training.suite(model),
                seed=params["seed"],
                max_rows=params["max_rows"],
                trial_count=params["trials"],
                dag_run_id=run_id,
            )
        except TrainingError as err:
            if model in WORKFLOW_MODELS:
                raise
            # A history that names no people has nobody to learn from; the others go on.
            raise AirflowSkipException(str(err)) from err

    @task(outlets=[CHALLENGERS], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def announce(versions):
        return [version for version in versions if version]

    announce([train.override(task_id=f"train_{model}")(model.value) for model in Model])


train_models()
