"""The registered model's code: MLflow runs this file and hands it the predictor's folder.

"Models from code" keeps the code as text beside the boosters, so that nothing is pickled. The
project itself must be importable where the model is loaded.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

from pipelines.learning.predictor import Predictor

PREDICTOR_ARTIFACT = "predictor"  # as `register` names it


class PredictorModel(PythonModel):
    """A `Predictor` behind MLflow's own interface; same frame, same numbers."""

    def load_context(self, context: Any) -> None:
        """Load the predictor from its folder."""
        self._predictor = Predictor.load(Path(context.artifacts[PREDICTOR_ARTIFACT]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict feature rows."""
        return self._predictor.predict(model_input)


set_model(PredictorModel())
