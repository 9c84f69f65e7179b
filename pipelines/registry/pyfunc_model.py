"""The registered model's code: MLflow runs this file and hands it the predictor's folder.

"Models from code" keeps the code as text beside the boosters, so that nothing is pickled. The
project itself must be importable where the model is loaded.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

from pipelines.contracts import Model
from pipelines.learning.methods import METHODS

PREDICTOR_ARTIFACT = "predictor"  # as `register` names it


class PredictorModel(PythonModel):
    """A recommender behind MLflow's own interface; same frame, same answers."""

    def load_context(self, context: Any) -> None:
        """Load the predictor from its folder."""
        method = METHODS[Model(context.model_config["model"])]
        self._predictor = method.load(Path(context.artifacts[PREDICTOR_ARTIFACT]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict feature rows."""
        return self._predictor.predict(model_input)


set_model(PredictorModel())
