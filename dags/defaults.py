"""What all DAGs share."""

from datetime import timedelta

TAGS = ["workcast"]
DEFAULT_ARGS = {
    "owner": "workcast",
    # Every task may be run again: it replaces what it wrote before.
    "retries": 1,
    "retry_delay": timedelta(seconds=10),
    "execution_timeout": timedelta(hours=2),
}
