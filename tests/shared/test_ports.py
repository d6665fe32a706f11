"""Free ports: really free, all different, and none that the kernel might hand to somebody else meanwhile."""

import socket
from pathlib import Path

import pytest

from shared.ports import ASKED_FOR, PortError, free_port, free_ports


def test_a_server_can_listen_on_a_free_port() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_free_ports_are_all_different() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50


def test_a_port_that_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("shared.ports.ASKED_FOR", range(port, port + 1))
        with pytest.raises(PortError, match="fewer than 1 free ports"):
            free_port()


def test_no_free_port_is_one_that_the_kernel_hands_out() -> None:
    handed_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not handed_out.exists():
        pytest.skip("only Linux tells which ports it hands out")
    first, last = map(int, handed_out.read_text(encoding="ascii").split())
    assert not set(ASKED_FOR) & set(range(first, last + 1))
