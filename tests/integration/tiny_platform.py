"""A platform that is quick to start: two small DAGs and a Bento of one answer."""

import socket
from contextlib import ExitStack
from pathlib import Path

from pipelines.platform.programs import Layout
from pipelines.settings import Settings

_DAGS = """
from airflow.sdk import Asset, dag, task

@dag(schedule=[Asset("sample_source")])
def follower():
    @task
    def note(**context):
        import os
        events = [e for found in context["triggering_asset_events"].values() for e in found]
        print("saw", events[0].extra["rows"], "for", os.environ["WORKCAST_MLFLOW_URL"])
    note()

@dag(schedule=None)
def failing():
    @task
    def fail():
        raise ValueError("there is no month 13")
    fail()

follower()
failing()
"""
_SERVICE = """
import os
import bentoml

@bentoml.service(workers=1)
class Tiny:
    @bentoml.api
    def database(self) -> str:
        return os.environ["WORKCAST_DATABASE_URL"]
"""


def tiny_layout(folder: Path) -> Layout:
    (folder / "dags").mkdir()
    (folder / "dags" / "sample.py").write_text(_DAGS)
    (folder / "tiny_service.py").write_text(_SERVICE)
    return Layout(dags_folder=folder / "dags", service="tiny_service:Tiny", service_root=folder)


def make_settings(home: Path) -> Settings:
    names = ("airflow_port", "mlflow_port", "service_port", "evidently_port", "valkey_port")
    with ExitStack() as stack:  # all held at once, so that no two are the same
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {n: p.getsockname()[1] for n, p in zip(names, probes, strict=True)}
    return Settings(home=home, _env_file=None, **ports)
