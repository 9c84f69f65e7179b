"""Learn what a feature view usually looks like, for a person to review."""

from datetime import datetime
from pathlib import Path

from pipelines.contracts import FeatureView
from pipelines.errors import ValidationFailedError
from pipelines.features.views import VIEWS
from pipelines.settings import Settings
from pipelines.validate.learn import learn_expectations
from pipelines.validate.learned import learned_path, write_learned


def learn_view(
    settings: Settings, view: FeatureView, start: datetime, until: datetime, *, replace: bool
) -> Path:
    """Learn expectations from the rows of a period and write them; return the file.

    Args:
        settings: which lake, and which folder of expectations.
        view: the feature view.
        start: event times from here on; aware.
        until: event times before it, known before it; aware.
        replace: write over a file that is there, reviewed or not.

    Raises:
        ValidationFailedError: a file is there, or the period has too few rows.
    """
    folder = settings.expectations_dir
    path = learned_path(folder, view.value)
    if path.exists() and not replace:
        raise ValidationFailedError(
            f"{path} is there already: keep it, or learn anew with --replace (its review is lost)."
        )
    nullable = {column.name: column.nullable for column in VIEWS[view].columns}
    return write_learned(
        folder, learn_expectations(settings.lake, view.value, nullable, start, until)
    )
