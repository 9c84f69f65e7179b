"""The Evidently workspace and the folder of HTML pages: add one report, keep the newest."""

import re
from dataclasses import dataclass
from pathlib import Path

from evidently.core.report import Snapshot
from evidently.ui.workspace import Project, Workspace
from filelock import FileLock, Timeout

from pipelines.errors import MonitoringError

_LOCK_SECONDS = 120


@dataclass(frozen=True)
class StoredReport:
    """Where a report is to be found."""

    report_id: str
    project_id: str
    html_path: Path


def store_report(
    snapshot: Snapshot, *, project: str, name: str, workspace: Path, html: Path, retention: int
) -> StoredReport:
    """Add a report to the workspace's project and to the HTML folder, then drop the oldest.

    A report of the same name is replaced, so a repeated run of one period leaves one report.
    `retention` reports a project are kept, the latest added, in both places.

    Raises:
        MonitoringError: another process holds the workspace for too long.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    html.mkdir(parents=True, exist_ok=True)
    try:
        # Two runs at once would each find no project and make one.
        with FileLock(workspace / ".lock", timeout=_LOCK_SECONDS):
            return _store(snapshot, project, name, (workspace, html), retention)
    except Timeout as err:
        raise MonitoringError(
            f"The Evidently workspace {workspace} has been locked by another process for "
            f"{_LOCK_SECONDS} s; see whether another drift report is still running."
        ) from err


def _store(
    snapshot: Snapshot, project: str, name: str, folders: tuple[Path, Path], retention: int
) -> StoredReport:
    workspace, html = folders
    space = Workspace.create(str(workspace))
    home = _project(space, project)
    earlier = [
        run_id for run_id in space.list_runs(home.id) if _run_name(space, home, run_id) == name
    ]
    run = space.add_run(home.id, snapshot, name=name)
    page = html / f"{slug(project)}--{slug(name)}--{run.id}.html"
    aside = page.with_suffix(".part")
    snapshot.save_html(str(aside))
    aside.replace(page)
    # Ids are UUIDs of version 7: their order is the order of adding.
    kept = sorted((run_id for run_id in space.list_runs(home.id) if run_id not in earlier), key=str)
    for run_id in [*earlier, *kept[:-retention]]:
        space.delete_run(home.id, run_id)
        for old in html.glob(f"{slug(project)}--*--{run_id}.html"):
            old.unlink(missing_ok=True)
    return StoredReport(report_id=str(run.id), project_id=str(home.id), html_path=page)


def _project(space: Workspace, name: str) -> Project:
    found = space.search_project(name)
    if found:
        return found[0]
    return space.create_project(name, description="Later periods against the training period")


def _run_name(space: Workspace, home: Project, run_id: object) -> str | None:
    run = space.get_run(home.id, str(run_id))
    return None if run is None else run.name


def slug(text: str) -> str:
    """Turn a title into a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
