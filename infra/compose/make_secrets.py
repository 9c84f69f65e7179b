"""Make the secret files of an installation in containers: every missing one, at random.

    python3 infra/compose/make_secrets.py [FOLDER]

Needs the standard library only. A file that is there is never touched, except that a URL follows
the password it is made of; to rotate one, remove its file and see infra/README.md. Containers
run as users of their own and must read the files: the folder, which nobody else may enter,
protects them on this machine.
"""

import base64
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("secrets")

# Owners of databases, by the setting that names each.
_DATABASES: Final = {
    "workcast_database_url": "workcast",
    "workcast_airflow_database_url": "airflow",
    "workcast_mlflow_database_url": "mlflow",
    "workcast_feast_registry_url": "feast",
}


def make_secrets(folder: Path, hosts: Mapping[str, str]) -> list[str]:
    """Make what is missing in `folder`; return the names of the files that were written.

    Args:
        folder: made where missing, closed to others.
        hosts: address of `postgres` and of `valkey`, as host:port.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    files = {
        "postgres_password": _password(),
        "valkey_password": _password(),
        "grafana_password": _password(),
        "dashboards_password": _password(),
        "workcast_airflow_password": _password(),
        "workcast_audit_key": secrets.token_urlsafe(32),
        "workcast_airflow_jwt_secret": secrets.token_urlsafe(64),
        "workcast_airflow_api_secret_key": secrets.token_urlsafe(32),
        "workcast_airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        **{
            name: f"postgresql://{owner}:{_password()}@{hosts['postgres']}/{owner}"
            for name, owner in _DATABASES.items()
        },
    }
    written = [name for name, text in files.items() if _write_missing(folder / name, text)]
    admin = (folder / "postgres_password").read_text()
    cache = (folder / "valkey_password").read_text()
    dashboards = (folder / "dashboards_password").read_text()
    derived = {
        "workcast_admin_database_url": f"postgresql://postgres:{admin}@{hosts['postgres']}/postgres",
        "workcast_dashboards_database_url": f"postgresql://dashboards:{dashboards}@{hosts['postgres']}/workcast",
        "workcast_valkey_url": f"redis://:{cache}@{hosts['valkey']}/0",
        "valkey_conf": f"requirepass {cache}\n",
        "valkey_passwords": json.dumps({"redis://valkey:6379": cache}),  # as its exporter reads it
    }
    return written + [name for name, text in derived.items() if _write(folder / name, text)]


def _password() -> str:
    """Return 192 random bits that need no quoting in a URL."""
    return secrets.token_urlsafe(24)


def _write_missing(path: Path, text: str) -> bool:
    return not path.exists() and _write(path, text)


def _write(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    path.touch(mode=0o644)
    path.write_text(text)
    return True


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    names = make_secrets(where, {"postgres": "postgres:5432", "valkey": "valkey:6379"})
    sys.stdout.write(f"{where}: {len(names)} secrets made.\n")
