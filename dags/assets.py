"""The assets that tie the DAGs together: each names a state of the data, not a file.

source_history -> extract_history -> lake_history -> build_features -> features
-> train_models -> challengers -> promote_models -> promotions -> monitor_drift

raise_alerts follows features and promotions both.
"""

from airflow.sdk import Asset

from pipelines.contracts import AssetName

SOURCE_HISTORY = Asset(
    name=AssetName.SOURCE_HISTORY.value,
    uri="workcast://source/history",
    extra={"meaning": "rows recorded in the source database; extra: start, end"},
)
LAKE_HISTORY = Asset(
    name=AssetName.LAKE_HISTORY.value,
    uri="workcast://lake/history",
    extra={"meaning": "history partitions in the lake; extra: start, end"},
)
FEATURES = Asset(
    name=AssetName.FEATURES.value,
    uri="workcast://lake/features",
    extra={"meaning": "feature views offline and online; extra: watermark"},
)
CHALLENGERS = Asset(
    name=AssetName.CHALLENGERS.value,
    uri="workcast://registry/challengers",
    extra={"meaning": "newly registered model versions"},
)
PROMOTIONS = Asset(
    name=AssetName.PROMOTIONS.value,
    uri="workcast://registry/promotions",
    extra={"meaning": "decisions about champions, promoted or not"},
)
