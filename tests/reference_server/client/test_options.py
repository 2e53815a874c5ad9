"""The options of the client."""

import math

import pytest

from reference_server.client import Client

BAD = [
    ({"app_id": ""}, ValueError, "app_id must be"),
    ({"app_id": "a" * 256}, ValueError, "app_id must be"),
    ({"app_id": "a\ud800"}, ValueError, "app_id must be"),
    ({"host": "ws://localhost"}, ValueError, "host must be"),
    ({"host": ""}, ValueError, "host must be"),
    ({"port": 0}, ValueError, "port must be from 1 to 65535"),
    ({"port": "8888"}, TypeError, "port must be an integer"),
    ({"port": 8888.5}, TypeError, "port must be an integer, not 8888.5"),
    ({"port": True}, TypeError, "port must be an integer"),
    ({"path": ""}, ValueError, "path must be"),
    ({"path": "unix:/run/ipc.sock"}, ValueError, "without 'unix:'"),
    ({"tls": "yes"}, TypeError, "tls must be"),
    ({"token": ""}, ValueError, "token must be"),
    ({"connect_timeout": 0}, ValueError, "connect_timeout must be"),
    ({"connect_timeout": math.nan}, ValueError, "connect_timeout must be"),
    ({"reconnect_attempts": -1}, ValueError, "reconnect_attempts must be"),
    ({"reconnect_attempts": math.inf}, TypeError, "reconnect_attempts must be an integer"),
    ({"reconnect_attempts": 2.5}, TypeError, "reconnect_attempts must be an integer"),
    ({"reconnect_delay": -1}, ValueError, "reconnect_delay must be"),
    ({"reconnect_delay": "2"}, TypeError, "reconnect_delay must be a number"),
    ({"reconnect_delay": None}, TypeError, "reconnect_delay must be a number"),
    ({"reconnect_max_delay": "30"}, TypeError, "reconnect_max_delay must be a number"),
    ({"reconnect_max_delay": -1}, ValueError, "reconnect_max_delay must be"),
    ({"heartbeat_interval": True}, TypeError, "heartbeat_interval must be"),
    ({"max_buffered_bytes": 1000}, ValueError, "max_buffered_bytes must be"),
    ({"max_buffered_bytes": 1e6}, TypeError, "max_buffered_bytes must be an integer"),
]


@pytest.mark.parametrize(("options", "error", "text"), BAD, ids=str)
def test_bad_option_is_refused_by_name(options, error, text):
    with pytest.raises(error, match=text):
        Client(**{"app_id": "demo"} | options)


def test_token_is_not_shown_when_it_is_refused():
    with pytest.raises(ValueError, match="token must be") as raised:
        Client("demo", token=["s3cret"])
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "fe80::1%eth0", "example.org"])
def test_hosts_are_names_and_addresses(host):
    assert Client("demo", host).info.address == f"{host}:8888"


def test_application_is_counted_in_code_points():
    assert Client("😀" * 255).info.app_id == "😀" * 255


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (1.5, TypeError), ("9", TypeError), (True, TypeError)])
def test_subscription_holds_a_whole_number_of_messages(count, error):
    with pytest.raises(error, match="max_waiting must be"):
        Client("demo").subscribe("news", max_waiting=count)
