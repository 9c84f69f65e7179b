"""The only reader of the environment: every setting, its default and what it means.

Each server is addressed by a URL. A URL that is not set means the embedded server that
`workcast up` runs for it; its address follows from `home` and the ports alone, so every
process computes the same one. In containers, what is secret comes as files, one a setting.
"""

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url

from pipelines.contracts import Engine, Model, RiskKind
from pipelines.errors import SettingsError

# Files named like the variables (workcast_database_url), where an orchestrator lays them.
_SECRETS_VARIABLE = "WORKCAST_SECRETS_DIR"
_SECRETS_DIR = "/run/secrets"

# A unix socket's path may have 107 bytes; PostgreSQL adds "/.s.PGSQL.5432".
_LONGEST_SOCKET_DIR = 90


class Settings(BaseSettings):
    """Settings of every process, read from `WORKCAST_*` variables, `.env` and secret files."""

    model_config = SettingsConfigDict(
        # What is set to nothing is not set: a compose file or a config map names it all the same.
        env_prefix="WORKCAST_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    environment: Literal["development", "production"] = "development"
    home: Path = Field(Path(".workcast"), description="Folder of all state and logs.")
    bind_host: str = Field("127.0.0.1", description="Address the servers listen on.")

    database_url: SecretStr | None = Field(
        None, description="postgresql://… of the source database; not set: embedded PostgreSQL."
    )
    airflow_database_url: SecretStr | None = None
    mlflow_database_url: SecretStr | None = None
    feast_registry_url: SecretStr | None = None
    valkey_url: SecretStr | None = Field(None, description="redis://…; not set: embedded Valkey.")
    mlflow_url: str | None = Field(None, description="http://…; not set: own MLflow server.")
    lake_url: str | None = Field(None, description="Folder or object-store URL of the lake.")
    artifacts_url: str | None = Field(
        None, description="Folder or object-store URL of MLflow's artifacts; not set: in the home."
    )
    airflow_url: str | None = Field(None, description="http://…; not set: own Airflow.")
    service_url: str | None = Field(None, description="http://…; not set: own Bento service.")
    evidently_url: str | None = Field(None, description="http://…; not set: own Evidently UI.")
    admin_database_url: SecretStr | None = Field(
        None, description="Makes databases and their owners; for `workcast migrate` alone."
    )
    dashboards_database_url: SecretStr | None = Field(
        None,
        description="postgresql://… of who may read the schema `dashboards` and nothing else, in "
        "the source database; `workcast migrate` lets it.",
    )

    airflow_executor: Literal["LocalExecutor", "CeleryExecutor", "KubernetesExecutor"] = (
        "LocalExecutor"
    )
    airflow_parallelism: int = Field(
        3, ge=1, description="DAG tasks at a time; three suit two cores."
    )
    airflow_password: SecretStr | None = Field(
        None, description="Of the user admin; not set: made by `workcast up`, as the next three."
    )
    airflow_fernet_key: SecretStr | None = Field(
        None, description="Encrypts connections; to rotate: new,old."
    )
    airflow_jwt_secret: SecretStr | None = None
    airflow_api_secret_key: SecretStr | None = None
    statsd_address: str | None = Field(
        None, description="host:port that Airflow sends its metrics to; not set: nowhere."
    )

    engine: Engine = Field(
        Engine.DUCKDB, description="Computes and joins features; spark needs workcast[spark]."
    )
    spark_master: str = Field(
        "local[*]", description="spark://host:port, yarn, k8s://… or local[cores]."
    )

    airflow_port: int = 8080
    mlflow_port: int = 5000
    service_port: int = 3000
    evidently_port: int = 8085
    valkey_port: int = 6390

    auth_issuer: str | None = Field(
        None, description="`iss` of the tokens; not set: the issuer of `workcast token`."
    )
    auth_jwks_url: str | None = Field(
        None, description="https://… or file://… of the issuer's public keys; set with the issuer."
    )
    auth_audience: str = Field("workcast", min_length=1, description="`aud` of the tokens.")
    auth_roles_claim: str = Field(
        "roles", description="Claim with the roles, dots leading inside: realm_access.roles."
    )
    audit_key: SecretStr | None = Field(
        None, min_length=32, description="Key of the pseudonyms; not set: one made in the home."
    )
    rate_limit_per_minute: int = Field(
        6_000, ge=1, description="Requests of one client to the service in a minute."
    )
    max_request_bytes: int = Field(2**20, ge=1_024, description="Longest body of a request.")
    request_timeout_s: float = Field(
        20, gt=0, le=300, description="A request that takes longer is answered by a problem."
    )

    partition: Literal["day", "month"] = Field(
        "month", description="Length of one lake partition (an interval of recorded_at)."
    )
    max_rejected_ratio: float = Field(
        0.05, ge=0, le=1, description="An import with a larger share of bad rows fails as a whole."
    )
    late_quantile: float = Field(
        0.8, gt=0, lt=1, description="Without due dates and outcomes: lead times above it are late."
    )
    test_ratio: float = Field(
        0.25, gt=0, lt=1, description="Share of workflows, the latest opened, that judge a model."
    )
    train_max_rows: int = Field(120_000, ge=1_000, description="Prediction moments to train on.")
    train_trials: int = Field(
        8, ge=1, description="Learners and hyper-parameters tried on later training workflows."
    )
    expectations_folder: Path | None = Field(
        None, description="Learned expectations of the feature views; not set: home/expectations."
    )
    challenger_ratio: dict[Model, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description='Share of workflows the challenger answers: {"remaining_time": 0.1}.'
    )
    shadow_models: frozenset[Model] = Field(
        frozenset(), description='Challengers that compute along, unseen: ["delay_risk"].'
    )
    answer_threads: int = Field(
        3, ge=1, le=40, description="Threads of a worker for each kind of question."
    )
    cache_ttl_s: int = Field(
        300, ge=0, description="Seconds an answer is kept at most in Valkey; 0: none is kept."
    )
    fallback_max_rows: int = Field(
        50_000,
        ge=0,
        description="Rows of a view, open tasks or events that a worker keeps to answer without "
        "Valkey or PostgreSQL; 0: none.",
    )
    otlp_endpoint: str | None = Field(
        None, description="http://… of an OpenTelemetry collector; not set: no traces."
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="Share of requests that are traced.")
    log_format: Literal["text", "json"] | None = Field(
        None,
        description="Of the servers' logs; not set: json in production, else text.",
    )
    registry_events_secret: SecretStr | None = Field(
        None, description="Signs MLflow's webhooks to the service; not set: it only polls."
    )
    alert_min_score: dict[RiskKind, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description='Risks below raise no alert: {"late_task": 0.9}; not named: 0.5.'
    )
    alert_max_count: int = Field(
        200, ge=1, le=1_000, description="Alerts of a kind that are open at most, the greatest."
    )
    report_retention: int = Field(20, ge=1, description="Drift reports kept.")
    seed: int = 20_240_101

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def socket_dir(self) -> Path:
        """Folder of the embedded PostgreSQL's socket, short enough for a unix socket."""
        inside = self.home / "run"
        if len(str(inside)) <= _LONGEST_SOCKET_DIR:
            return inside
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"workcast-{digest}"

    @property
    def database(self) -> URL:
        """SQLAlchemy URL of the source and platform database."""
        return self._database(self.database_url, "workcast")

    @property
    def airflow_database(self) -> URL:
        """SQLAlchemy URL of Airflow's metadata database."""
        return self._database(self.airflow_database_url, "airflow")

    @property
    def mlflow_database(self) -> URL:
        """SQLAlchemy URL of MLflow's backend store."""
        return self._database(self.mlflow_database_url, "mlflow")

    @property
    def feast_registry(self) -> URL:
        """SQLAlchemy URL of Feast's registry."""
        return self._database(self.feast_registry_url, "feast")

    @property
    def valkey(self) -> str:
        """`redis://` URL of the online store."""
        if self.valkey_url is not None:
            return self.valkey_url.get_secret_value()
        return f"redis://{self.bind_host}:{self.valkey_port}/0"

    @property
    def mlflow(self) -> str:
        """HTTP address of the MLflow server."""
        return self.mlflow_url or f"http://{self.bind_host}:{self.mlflow_port}"

    @property
    def airflow(self) -> str:
        """HTTP address of Airflow's API server and UI."""
        return self.airflow_url or f"http://{self.bind_host}:{self.airflow_port}"

    @property
    def service(self) -> str:
        """HTTP address of the Bento service."""
        return self.service_url or f"http://{self.bind_host}:{self.service_port}"

    @property
    def issuer(self) -> str:
        """`iss` of the tokens that the service takes."""
        return self.auth_issuer or "urn:workcast:development"

    @property
    def is_own_issuer(self) -> bool:
        """Whether this platform signs its tokens itself; never in production."""
        return self.auth_issuer is None and self.environment == "development"

    @property
    def issuer_dir(self) -> Path:
        """Folder of the keys of the development issuer."""
        return self.home / "issuer"

    @property
    def jwks(self) -> str:
        """Address of the public keys that tokens are verified by."""
        return self.auth_jwks_url or (self.issuer_dir / "jwks.json").as_uri()

    @property
    def has_json_logs(self) -> bool:
        """Whether the servers write their logs as JSON; the stores write their own."""
        if self.log_format is not None:
            return self.log_format == "json"
        return self.environment == "production"

    @property
    def evidently(self) -> str:
        """HTTP address of the Evidently UI."""
        return self.evidently_url or f"http://{self.bind_host}:{self.evidently_port}"

    @property
    def artifacts(self) -> str:
        """Where MLflow's server keeps artifacts: a local path or an object-store URL."""
        return self.artifacts_url or str(self.home / "mlflow" / "artifacts")

    @property
    def docs_dir(self) -> Path:
        """Folder of validation results and their data docs."""
        return self.home / "data_docs"

    @property
    def expectations_dir(self) -> Path:
        """Folder of the expectations learned from this organisation's own rows."""
        return self.expectations_folder or self.home / "expectations"

    @property
    def evidently_dir(self) -> Path:
        """Folder of the Evidently workspace."""
        return self.home / "evidently"

    @property
    def model_cache(self) -> Path:
        """Folder of downloaded model versions."""
        return self.home / "models"

    @property
    def reports_dir(self) -> Path:
        """Folder of the drift reports as HTML."""
        return self.home / "reports"

    @property
    def lake(self) -> str:
        """Root of the Parquet lake: a local path or an fsspec URL, without a trailing slash."""
        return (self.lake_url or str(self.home / "lake")).rstrip("/")

    def require_guard(self) -> None:
        """Make sure that nobody's tokens are taken but the issuer's that was meant.

        Raises:
            SettingsError: only half of an issuer is named; or production lacks one, has its keys
                come over plain HTTP, or has no key for pseudonyms.
        """
        if (self.auth_issuer is None) != (self.auth_jwks_url is None):
            raise SettingsError(
                "WORKCAST_AUTH_ISSUER and WORKCAST_AUTH_JWKS_URL belong together: set both or none."
            )
        if self.environment == "development":
            return
        missing = {
            "WORKCAST_AUTH_ISSUER and WORKCAST_AUTH_JWKS_URL": self.auth_issuer,
            "WORKCAST_AUDIT_KEY (32 characters or more)": self.audit_key,
        }
        if names := [name for name, value in missing.items() if value is None]:
            raise SettingsError(f"In production the service needs {', and '.join(names)}.")
        if not self.jwks.startswith(("https://", "file://")):
            raise SettingsError(
                f"WORKCAST_AUTH_JWKS_URL is {self.jwks}: in production keys come over https:// "
                "or from a file:// only, since whoever changes them on the way is let in."
            )

    def _database(self, own: SecretStr | None, name: str) -> URL:
        """Own URL where given, else the database called `name` on the common server."""
        if own is not None:
            url = make_url(own.get_secret_value())
        elif self.database_url is not None:
            url = make_url(self.database_url.get_secret_value())
            url = url if name == "workcast" else url.set(database=name)
        else:
            url = URL.create(
                "postgresql", "postgres", database=name, query={"host": str(self.socket_dir)}
            )
        return url.set(drivername="postgresql+psycopg")


@cache
def get_settings() -> Settings:
    """Read the settings once per process.

    Raises:
        SettingsError: a variable has a value that its setting does not take.
    """
    folder = Path(os.environ.get(_SECRETS_VARIABLE, _SECRETS_DIR))
    try:
        # Asked for where it is not there, pydantic-settings warns.
        return Settings(_secrets_dir=folder if folder.is_dir() else None)
    except ValidationError as err:
        # The value itself is left out: it may be a password.
        faults = "; ".join(
            f"WORKCAST_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in err.errors()
        )
        raise SettingsError(f"Settings not valid: {faults}") from None
