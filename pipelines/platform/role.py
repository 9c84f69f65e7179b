"""Become one server of the platform: what a container runs, in place of supervisord.

Every other server is named by a URL setting. Secrets come as files, which the settings read;
nothing secret enters the environment but what a program takes from nowhere else.
"""

import os
from typing import Final, NoReturn

from pipelines.errors import PlatformError
from pipelines.platform.airflow import write_configuration
from pipelines.platform.credentials import credentials_of
from pipelines.platform.programs import Layout, Program
from pipelines.platform.servers import EVIDENTLY, plan_roles
from pipelines.settings import Settings

_AIRFLOW: Final = "airflow-"


def become_role(settings: Settings, name: str, layout: Layout | None = None) -> NoReturn:
    """Replace this process by the server `name`.

    Raises:
        PlatformError: there is no such role, or a credential it needs is missing.
    """
    layout = layout or Layout()
    role = _role(settings, name, layout)
    if name.startswith(_AIRFLOW):
        configure_airflow(settings, layout)
    elif name == EVIDENTLY:
        settings.evidently_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(layout.root)
    os.execvpe(role.command[0], role.command, {**os.environ, **role.environment})  # noqa: S606


def configure_airflow(settings: Settings, layout: Layout | None = None) -> None:
    """Write `airflow.cfg` and the password file of Airflow's parts and DAG tasks.

    Raises:
        PlatformError: a credential is missing.
    """
    layout = layout or Layout()
    write_configuration(settings, credentials_of(settings), layout.dags_folder)


def _role(settings: Settings, name: str, layout: Layout) -> Program:
    roles = plan_roles(settings, layout)
    try:
        return roles[name]
    except KeyError:
        raise PlatformError(f"There is no role {name!r}; roles are {', '.join(roles)}.") from None
