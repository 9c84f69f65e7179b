"""The environment variables that every program of the platform gets."""

from typing import Final

from pydantic import SecretStr
from pydantic_core import to_json

from pipelines.platform.programs import Layout
from pipelines.settings import Settings

# Nobody is told that this platform runs: MLflow, Evidently and BentoML read the first three,
# Great Expectations, Feast and Evidently's older parts the others.
TRACKING_OFF: Final = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "FEAST_USAGE": "False",
    "EVIDENTLY_DISABLE_TELEMETRY": "1",
    "SCARF_ANALYTICS": "false",
}

# setproctitle, which Airflow and uvicorn use, would otherwise write over the variables by
# which leftovers are found. Two malloc arenas instead of eight a core save memory.
_PROCESS: Final = {"SPT_NOENV": "1", "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


def shared_environment(settings: Settings, layout: Layout) -> dict[str, str]:
    """Return the settings as WORKCAST_* variables, with the address of every server filled in."""
    own = {name: _text(value) for name, value in settings if value is not None}
    addresses = {
        "database_url": settings.database,
        "airflow_database_url": settings.airflow_database,
        "mlflow_database_url": settings.mlflow_database,
        "feast_registry_url": settings.feast_registry,
    }
    own |= {name: url.render_as_string(hide_password=False) for name, url in addresses.items()}
    own |= {
        "valkey_url": settings.valkey,
        "mlflow_url": settings.mlflow,
        "lake_url": settings.lake,
    }
    return {
        **{f"WORKCAST_{name.upper()}": value for name, value in own.items()},
        **process_environment(settings, layout),
    }


def process_environment(settings: Settings, layout: Layout) -> dict[str, str]:
    """Return what every program gets beside the settings; nothing in it is secret."""
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow,
        "PYTHONPATH": str(layout.root),
        **_PROCESS,
        **TRACKING_OFF,
    }


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, frozenset):
        value = sorted(value)  # the same text in every process
    # Pydantic reads collections as JSON.
    return to_json(value).decode() if isinstance(value, dict | list) else str(value)
