"""A trained model on disk: LightGBM's text, arrays and a spec.json, nothing pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb

from pipelines.errors import TrainingError
from pipelines.learning.blend import Blend

SPEC_FILE: Final = "spec.json"
SPEC_VERSION: Final = 2


def write_model(folder: Path, scores: Mapping[str, Blend], spec: Mapping[str, Any]) -> None:
    """Write the scores and spec.json into `folder`, making it."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = {name: of.save(folder, name) for name, of in scores.items()}
    content = {"spec_version": SPEC_VERSION, **spec, "scores": saved}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def read_model(folder: Path) -> tuple[dict[str, Blend], dict[str, Any]]:
    """Read the scores and the spec that `write_model` wrote.

    Raises:
        TrainingError: a file is missing or not readable, or the spec is of another version.
    """
    spec = _read_spec(folder)
    try:
        scores = {name: Blend.load(folder, of) for name, of in spec["scores"].items()}
    except FileNotFoundError as err:
        raise TrainingError(f"The model in {folder} lacks {err.filename}.") from err
    except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as err:
        raise TrainingError(f"The model in {folder} cannot be read: {err!r}.") from err
    return scores, spec


def _read_spec(folder: Path) -> dict[str, Any]:
    path = folder / SPEC_FILE
    try:
        spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = spec["spec_version"]
    except FileNotFoundError as err:
        raise TrainingError(f"No model in {folder}: {SPEC_FILE} is missing.") from err
    except (KeyError, TypeError, ValueError) as err:
        raise TrainingError(f"{path} cannot be read: {err!r}.") from err
    if version != SPEC_VERSION:
        raise TrainingError(
            f"{path} has spec version {version}, this program reads {SPEC_VERSION}: train anew."
        )
    return spec
