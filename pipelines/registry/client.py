"""Talk to the MLflow server, quietly and with its faults as our errors."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from pipelines.errors import NotFoundError, RegistryError, WorkcastError

# Folder of a model that holds its predictor; the service loads that, not the model around it.
PREDICTOR_ARTIFACT = "predictor"
MISSING_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


def registry_client(uri: str) -> MlflowClient:
    """Return a client of the tracking server and registry at `uri`."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def connected(uri: str) -> Iterator[None]:
    """Use the server at `uri` inside the block, then what was used before.

    Raises:
        RegistryError: the server cannot be reached or refuses; says what and where.
        NotFoundError: the model, version or alias does not exist.
    """
    before = mlflow.get_tracking_uri()
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)  # the registry's address follows it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except WorkcastError:
        raise
    except MlflowException as err:
        if err.error_code in MISSING_CODES:
            raise NotFoundError(f"MLflow at {uri}: {err.message}") from err
        raise RegistryError(f"MLflow at {uri} refused: {err.message}") from err
    except OSError as err:
        raise RegistryError(f"MLflow at {uri} cannot be reached: {err}") from err
    finally:
        mlflow.set_tracking_uri(before)
        logger.setLevel(level)
