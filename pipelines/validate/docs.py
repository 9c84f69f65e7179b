"""The data docs: one page over all validations, with a bound on how many it keeps."""

import shutil
from pathlib import Path

from pipelines.validate.run import open_context


def build_docs(folder: Path, keep: int) -> Path:
    """Build the data docs under `folder` and return their first page.

    Args:
        folder: what `run_suite` was given.
        keep: runs kept per suite; older results are removed, pages included.
    """
    site = folder / "uncommitted" / "data_docs" / "local_site"
    for suite in (folder / "uncommitted" / "validations").glob("*/*"):
        # Each run is a folder named by its UTC time, so names sort by age.
        for old in sorted(suite.iterdir())[:-keep]:
            shutil.rmtree(old)
            page = site / "validations" / suite.parent.name / suite.name / old.name
            shutil.rmtree(page, ignore_errors=True)
    open_context(folder).build_data_docs()
    return site / "index.html"
