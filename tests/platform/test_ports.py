import os
import socket

import pytest

from pipelines.errors import PlatformError
from pipelines.platform.ports import WantedPort, require_free_ports

HOST = "127.0.0.1"


def test_free_ports_pass(free_port: int) -> None:
    require_free_ports(HOST, [WantedPort(free_port, "mlflow", "WORKCAST_MLFLOW_PORT")])


def test_every_taken_port_is_named_with_its_holder_and_its_setting(free_port: int) -> None:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        ports = [each.getsockname()[1] for each in (one, two)]
        wanted = [
            WantedPort(ports[0], "mlflow", "WORKCAST_MLFLOW_PORT"),
            WantedPort(free_port, "valkey", "WORKCAST_VALKEY_PORT"),
            WantedPort(ports[1], "service", "WORKCAST_SERVICE_PORT"),
        ]
        with pytest.raises(PlatformError) as caught:
            require_free_ports(HOST, wanted)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    for line, port, setting in zip(
        lines, ports, ("WORKCAST_MLFLOW_PORT", "WORKCAST_SERVICE_PORT"), strict=True
    ):
        assert f"Port {port} " in line
        assert f"process {os.getpid()} (" in line
        assert setting in line


def test_two_programs_may_not_want_the_same_port(free_port: int) -> None:
    wanted = [
        WantedPort(free_port, "mlflow", "WORKCAST_MLFLOW_PORT"),
        WantedPort(free_port, "service", "WORKCAST_SERVICE_PORT"),
    ]
    with pytest.raises(
        PlatformError, match=r"mlflow and by service: set WORKCAST_MLFLOW_PORT or WORKCAST_SERVICE"
    ):
        require_free_ports(HOST, wanted)
