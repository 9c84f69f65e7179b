"""What the DAG `build_features` does last: prove that serving sees what training sees."""

from datetime import datetime

from pipelines.contracts import Stage
from pipelines.errors import ParityError
from pipelines.settings import Settings
from pipelines.source.connect import open_engine
from pipelines.source.watermarks import get_watermark
from pipelines.store.certificate import (
    DEFAULT_SAMPLE,
    Certificate,
    make_certificate,
    require_parity,
)


def certify(settings: Settings, until: str, sample: int = DEFAULT_SAMPLE) -> str:
    """Make the parity certificate of a watermark; return its hash.

    Raises:
        ParityError: something differs; the certificate is written all the same.
        FeatureStoreError: Valkey or Feast's registry does not answer.
    """
    return require_parity(make_certificate(settings, datetime.fromisoformat(until), sample)).sha256


def certify_now(settings: Settings, sample: int = DEFAULT_SAMPLE) -> Certificate:
    """Make the parity certificate of the features that are served now, whatever it says.

    Raises:
        ParityError: no features have been built yet.
        FeatureStoreError: Valkey or Feast's registry does not answer.
    """
    engine = open_engine(settings)
    try:
        watermark = get_watermark(engine, Stage.FEATURES)
    finally:
        engine.dispose()
    if watermark is None:
        raise ParityError("No features are built yet: run the DAG build_features first.")
    return make_certificate(settings, watermark, sample)
