"""Passwords and keys of one platform: generated once, kept in one file nobody else may read."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipelines.errors import PlatformError
from pipelines.settings import Settings

AIRFLOW_USER: Final = "admin"

_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class Credentials:
    """What Airflow's parts share; `repr` shows none of it."""

    airflow_password: str
    jwt_secret: str
    fernet_key: str
    api_secret_key: str

    def __repr__(self) -> str:
        return "Credentials(***)"


def credentials_file(home: Path) -> Path:
    """Return the file that holds them."""
    return home / "secrets.json"


def read_credentials(home: Path) -> Credentials:
    """Read the credentials of the platform at `home`.

    Raises:
        PlatformError: the platform was never started, or its file is damaged.
    """
    path = credentials_file(home)
    try:
        return Credentials(**json.loads(path.read_text()))
    except FileNotFoundError as err:
        raise PlatformError(f"{path} does not exist: start the platform, `workcast up`.") from err
    except (ValueError, TypeError, OSError) as err:
        raise PlatformError(
            f"{path} cannot be read ({type(err).__name__}): restore it, or remove it to have new "
            "passwords and keys made (connections stored in Airflow must be entered again then)."
        ) from err


def credentials_of(settings: Settings) -> Credentials:
    """Return the credentials that the settings give, else those of the platform at its home.

    Raises:
        PlatformError: the settings give some but not all; or see `read_credentials`.
    """
    given: dict[str, SecretStr | None] = {
        "airflow_password": settings.airflow_password,
        "jwt_secret": settings.airflow_jwt_secret,
        "fernet_key": settings.airflow_fernet_key,
        "api_secret_key": settings.airflow_api_secret_key,
    }
    found = {name: value.get_secret_value() for name, value in given.items() if value is not None}
    if not found:
        return read_credentials(settings.home)
    if missing := sorted(given.keys() - found.keys()):
        raise PlatformError(
            f"The settings give Airflow some credentials but not {', '.join(missing)}: give all "
            "four, or none to have them made by `workcast up`."
        )
    return Credentials(**found)


def ensure_credentials(home: Path) -> Credentials:
    """Read the credentials, generating them the first time."""
    path = credentials_file(home)
    if not path.exists():
        made = Credentials(
            airflow_password=secrets.token_urlsafe(18),
            jwt_secret=secrets.token_urlsafe(_KEY_BYTES * 2),  # HS512 asks for 64 bytes
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode(),
            api_secret_key=secrets.token_urlsafe(_KEY_BYTES),
        )
        write_private(path, json.dumps(asdict(made), indent=1))
    return read_credentials(home)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.rename(path)
