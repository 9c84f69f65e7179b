"""What a model learns from: features as known at each prediction moment, and their file."""

import hashlib
import io
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureStore

from pipelines.contracts import EVENT_TIMESTAMP, FeatureView
from pipelines.errors import FeatureStoreError
from pipelines.features.views import qualified
from pipelines.history.schema import TIMESTAMP
from pipelines.store.frames import typed_frame
from pipelines.store.parquet_write import write_file

AS_OF: Final = "as_of"
WORKFLOW_ID: Final = "workflow_id"

# The keys of the other views, and the features of workflow_progress they are at a moment.
DERIVED_KEYS: Final = {
    "activity": "last_activity",
    "person_id": "last_person_id",
    "team_id": "last_team_id",
}


def training_set(
    store: FeatureStore,
    entity_frame: pd.DataFrame,
    feature_service: str,
    *,
    has_keys: bool = False,
) -> pd.DataFrame:
    """Join a feature service's features to prediction moments, as known at each of them.

    The workflow's progress is joined first; its last activity, person and team at the moment
    are the keys of the other views, unless the question has keys of its own: a task's activity,
    and who might do it.

    Args:
        store: see `open_store`.
        entity_frame: workflow_id and the moment (aware; `event_timestamp` or `as_of`). Further
            columns are kept. Not changed.
        feature_service: its name, for example `remaining_time`.
        has_keys: whether the entity frame's own activity, person_id and team_id are the keys.

    Returns:
        The entity frame's rows in their order; event_timestamp and as_of (both the moment),
        activity, person_id, team_id and the features, called `view__feature`. Types: see
        `typed_frame`.

    Raises:
        FeatureStoreError: a column is missing, the service is unknown, or no row has features.
    """
    entities = _entities(entity_frame, has_keys=has_keys)
    refs = _feature_refs(store, feature_service)
    prefix = f"{FeatureView.WORKFLOW_PROGRESS.value}:"
    progress_refs = [ref for ref in refs if ref.startswith(prefix)]
    needed = [f"{prefix}{name}" for name in DERIVED_KEYS.values()]
    progress = _joined(store, entities, list(dict.fromkeys([*progress_refs, *needed])))
    if len(progress) and progress[_progress("last_activity")].null_count == len(progress):
        raise FeatureStoreError(
            f"None of the {len(progress)} moments has features in workflow_progress; build the "
            "features up to the moments, or check WORKCAST_LAKE_URL."
        )
    keyed = entities
    for key, source in () if has_keys else DERIVED_KEYS.items():
        keyed = keyed.append_column(key, progress.column(_progress(source)))
    others = _joined(store, keyed, [ref for ref in refs if not ref.startswith(prefix)])
    result = keyed
    for ref in refs:
        name = ref.replace(":", "__")
        result = result.append_column(name, (progress if ref in progress_refs else others)[name])
    return typed_frame(result)


def save_training_set(lake: str, model: str, frame: pd.DataFrame) -> str:
    """Write a training set to `training/<model>/<sha256>.parquet` and return its address.

    The name is the hash of the file's bytes, and the same frame gives the same bytes.
    """
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, compression="zstd")
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = f"{lake.rstrip('/')}/training/{model}/{digest}.parquet"
    write_file(path, content)
    return path


def _entities(frame: pd.DataFrame, *, has_keys: bool) -> pa.Table:
    moments = EVENT_TIMESTAMP if EVENT_TIMESTAMP in frame.columns else AS_OF
    keys = tuple(DERIVED_KEYS) if has_keys else ()
    missing = [name for name in (WORKFLOW_ID, moments, *keys) if name not in frame.columns]
    if missing:
        raise FeatureStoreError(
            f"The entity frame lacks {' and '.join(missing)}; it needs {WORKFLOW_ID} and "
            f"{EVENT_TIMESTAMP} (or {AS_OF}){', and its keys' if has_keys else ''}."
        )
    replaced = (AS_OF, EVENT_TIMESTAMP) if has_keys else (*DERIVED_KEYS, AS_OF, EVENT_TIMESTAMP)
    table = pa.Table.from_pandas(
        frame.drop(columns=list(replaced), errors="ignore"), preserve_index=False
    )
    for place, key in enumerate(table.column_names):
        if key in keys:  # a column without any value has no type yet
            table = table.set_column(place, key, table[key].cast(pa.string()))
    # Online the moment is a microsecond, so it is one here.
    at = pa.array(pd.to_datetime(frame[moments], utc=True).dt.floor("us"), TIMESTAMP)
    return table.append_column(EVENT_TIMESTAMP, at).append_column(AS_OF, at)


def _feature_refs(store: FeatureStore, feature_service: str) -> list[str]:
    try:
        service = store.get_feature_service(feature_service)
    except Exception as err:
        raise FeatureStoreError(
            f"No feature service {feature_service!r} ({err}); apply the definitions first."
        ) from err
    return [
        f"{view.name_to_use()}:{feature.name}"  # type: ignore[no-untyped-call]
        for view in service.feature_view_projections
        for feature in view.features
    ]


def _joined(store: FeatureStore, entities: pa.Table, refs: list[str]) -> pa.Table:
    keys = [n for n in (WORKFLOW_ID, *DERIVED_KEYS, EVENT_TIMESTAMP) if n in entities.column_names]
    job = store.get_historical_features(
        entity_df=typed_frame(entities.select(keys)),
        features=refs,
        full_feature_names=True,
        filter_by_created_timestamp=True,
    )
    return job.to_arrow()


def _progress(feature: str) -> str:
    return qualified(FeatureView.WORKFLOW_PROGRESS, feature)
