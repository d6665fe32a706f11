import socket

import pytest

from shared.errors import SelfmisError
from training.cluster import cluster_named, refuse_unreachable


def test_a_cluster_that_does_not_answer_is_one_line_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers
        port = free.getsockname()[1]
        with pytest.raises(SelfmisError, match=rf"no Ray cluster at 127\.0\.0\.1:{port}: .*unset RAY_ADDRESS"):
            refuse_unreachable(f"127.0.0.1:{port}")


def test_a_cluster_that_answers_is_let_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        refuse_unreachable(f"127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize("address", ["auto", "local", "ray://head:10001"])
def test_other_addresses_are_left_to_ray(address: str) -> None:
    refuse_unreachable(address)


@pytest.mark.parametrize(("address", "named"), [("", False), ("head:6379", True)])
def test_the_environment_names_a_cluster(monkeypatch: pytest.MonkeyPatch, address: str, named: bool) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert cluster_named() is named
