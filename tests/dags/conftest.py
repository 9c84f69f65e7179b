"""Airflow writes its configuration where AIRFLOW_HOME says, at its first import."""

import os
import tempfile

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="workcast-airflow-"))
