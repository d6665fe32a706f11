"""What a Redis URL means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.redis.address import RedisAddress, RedisUrlError
from shared.sections import REDIS_SCHEMES
from shared.settings import shown


def test_a_url_without_port_or_database_means_6379_and_0() -> None:
    address = RedisAddress.parse("redis://somewhere")
    assert (address.host, address.port, address.db) == ("somewhere", 6379, 0)


def test_user_and_password_are_percent_decoded() -> None:
    address = RedisAddress.parse("rediss://ward%207:p%40ss%2Fword@host:7000/3")
    assert (address.username, address.password, address.db, address.tls) == ("ward 7", "p@ss/word", 3, True)


def test_a_socket_path_is_taken_whole() -> None:
    assert RedisAddress.parse("unix:///run/redis/my%20redis.sock?db=2").arguments() == {
        "unix_socket_path": "/run/redis/my redis.sock",
        "db": 2,
        "username": None,
        "password": None,
    }


def test_tls_options_reach_the_client_typed() -> None:
    url = "rediss+cluster://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=no&ssl_cert_reqs=optional"
    arguments = RedisAddress.parse(url).arguments()
    assert arguments["ssl"] is True
    assert arguments["ssl_check_hostname"] is False
    assert (arguments["ssl_ca_certs"], arguments["ssl_cert_reqs"]) == ("/ca.pem", "optional")


def test_sentinels_are_taken_apart_each_with_its_port_and_have_passwords_of_their_own() -> None:
    url = "rediss+sentinel://u:p%40@a,[::1]:7,c:8/ward?db=2&sentinel_password=s&ssl_ca_certs=/ca.pem"
    address = RedisAddress.parse(url)
    assert address.sentinels == (("a", 26379), ("::1", 7), ("c", 8))
    assert (address.service, address.username, address.password, address.db) == ("ward", "u", "p@", 2)
    assert "host" not in address.arguments()
    assert address.ask_sentinels() == {
        "username": None,
        "password": "s",
        "ssl": True,
        "ssl_ca_certs": "/ca.pem",
    }
    assert "p%40" not in address.shown
    assert "=s" not in address.shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://host", "must start with one of redis://"),
        ("redis://", "lacks a host"),
        ("unix://", "lacks the path"),
        ("redis://host:70000", "impossible host or port"),
        ("redis://:pa/ss@host", "percent-encode"),
        ("redis://[::1", "impossible host"),
        ("redis://host/seven", "database 'seven'"),
        ("redis+cluster://host/2", "a cluster only has database 0"),
        ("redis://host?decode_responses=false", "option decode_responses"),
        ("redis://host?ssl_ca_certs=/ca.pem", "needs rediss://"),
        ("redis+sentinel://host:26379", "lacks the master's name"),
        ("redis+sentinel://a,,b/ward", "lacks a host"),
        ("redis+sentinel://a:1,b:x/ward", "impossible host or port"),
        ("redis+sentinel://a/ward/2", "database"),
        ("redis://host?sentinel_password=p", "option sentinel_password"),
        ("rediss://host?ssl_cert_reqs=maybe", "must be one of none"),
        ("rediss://host?ssl_check_hostname=perhaps", "must be true or false"),
    ],
)
def test_a_url_that_means_nothing_is_refused_with_its_reason(url: str, says: str) -> None:
    with pytest.raises(RedisUrlError) as refused:
        RedisAddress.parse(url)
    assert says in str(refused.value)


@settings(deadline=None)  # no verdict on speed: the machine may be busy
@given(
    st.sampled_from(REDIS_SCHEMES),
    st.text("abc:/?#@%&=[] ", min_size=0, max_size=6).map(lambda around: f"{around}s3cr3t{around}"),
)
def test_no_password_however_badly_written_is_ever_shown(scheme: str, password: str) -> None:
    url = f"{scheme}://user:{password}@host:6379/0"
    assert "s3cr3t" not in shown(url)
    try:
        text = repr(RedisAddress.parse(url))
    except RedisUrlError as error:
        text = str(error)
    assert "s3cr3t" not in text


def test_a_password_given_as_an_option_is_not_shown() -> None:
    address = RedisAddress.parse("unix:///run/redis.sock?password=s3cr3t&db=1")
    assert address.password == "s3cr3t"
    assert address.shown == "unix:///run/redis.sock?password=********&db=1"
