"""Who may hand in frames."""

import pytest

from services.ingest.gateway.access import admit, is_loopback, listener
from services.ingest.gateway.refusal import Refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST."])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["::", "255.255.255.255", "10.1.2.3", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_anything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_socket_listens_on_a_free_port() -> None:
    with listener("localhost", 0, has_token=False) as listening:
        assert listening.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8787", "[::1]:8787", "[::1]"])
def test_without_a_token_names_of_this_machine_pass(host: str) -> None:
    admit({"host": host}, None)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Token correct", "Bearer Correct", "Bearer correctx"])
def test_only_the_token_itself_passes(given: str) -> None:
    with pytest.raises(Refusal) as refused:
        admit({"authorization": given}, "correct")
    assert refused.value.status == 401


def test_with_the_token_any_name_and_page_pass() -> None:
    admit({"authorization": "Bearer correct", "host": "ecg.example", "origin": "https://ward.example"}, "correct")
