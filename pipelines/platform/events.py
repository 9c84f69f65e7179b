"""What the own MLflow server needs to tell the service that an alias moved."""

import base64
import hashlib

from pydantic import SecretStr


def event_environment(secret: SecretStr) -> dict[str, str]:
    """Return what an MLflow server of the own platform needs to send events on loopback.

    By itself it sends to public addresses over TLS only. The key under which it keeps the secret
    follows from the secret: MLflow would make a new one at each start and read nothing more.
    """
    key = hashlib.blake2b(
        secret.get_secret_value().encode(), digest_size=32, person=b"mlflow-webhooks"
    ).digest()
    return {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(key).decode(),
    }
