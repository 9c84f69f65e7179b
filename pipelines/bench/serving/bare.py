"""The bare server: Starlette, uvicorn and LightGBM, and nothing else.

Whoever asks hands it the finished rows, as the bytes of float64, so that it parses next to
nothing; it lets every booster of the model predict them, in one thread, and answers the mean. Its
working directory holds a folder for each model. It is as tame about garbage as the service, and
writes no access log.
"""

import gc
from pathlib import Path
from typing import Final

import lightgbm as lgb
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_THRESHOLDS: Final = (50_000, 20, 100)


def create_app() -> Starlette:
    """Make the app of the models in the working directory."""
    models = {
        folder.name: [
            (lgb.Booster(model_file=file), np.load(file.with_suffix(".npy"), allow_pickle=False))
            for file in sorted(folder.glob("*.txt"))
        ]
        for folder in Path.cwd().iterdir()
        if folder.is_dir()
    }

    async def score(request: Request) -> JSONResponse:
        values = np.frombuffer(await request.body())
        rows = values.reshape(int(request.path_params["row_count"]), -1)
        scores = [
            booster.predict(rows[:, columns], raw_score=True, num_threads=1)
            for booster, columns in models[request.path_params["model"]]
        ]
        return JSONResponse({"scores": np.mean(scores, axis=0).tolist()})

    app = Starlette(routes=[Route("/score/{model}/{row_count}", score, methods=["POST"])])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    return app
