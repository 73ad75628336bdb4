"""Which family a text is of, and from where a peer is reached."""

import socket

import pytest

from sipparty.errors import TransportError
from sipparty.transport import is_loopback, is_wildcard, local_address_to, numeric_family


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("127.0.0.1", socket.AF_INET),
        ("0.0.0.0", socket.AF_INET),
        ("::1", socket.AF_INET6),
        ("2001:db8::1", socket.AF_INET6),
        ("::ffff:10.0.0.1", socket.AF_INET6),
        ("biloxi.com", None),
        ("127.0.0.1.", None),
        ("127.1", None),
        ("256.0.0.1", None),
        ("[::1]", None),
        ("", None),
        ("a\0b", None),
        ("\udcff", None),
    ],
)
def test_the_family_of_a_text(text, family):
    assert numeric_family(text) is family


@pytest.mark.parametrize(
    ("host", "wildcard", "loopback"),
    [
        ("0.0.0.0", True, False),
        ("::", True, False),
        ("", True, False),
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("192.0.2.1", False, False),
        ("1270.example.com", False, False),
    ],
)
def test_what_an_address_stands_for(host, wildcard, loopback):
    assert is_wildcard(host) is wildcard
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
def test_the_address_that_a_peer_is_reached_from(host, local):
    assert local_address_to(host) == local


@pytest.mark.parametrize("host", ["biloxi.com", "", "fe80::1%nowhere"])
def test_a_name_is_no_address(host):
    with pytest.raises(TransportError, match="not a numeric address"):
        local_address_to(host)


def test_no_route(monkeypatch):
    def connect(sock, address):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", type("Socket", (socket.socket,), {"connect": connect}))
    with pytest.raises(TransportError, match=r"No route leads to 192\.0\.2\.1: Network is unreach"):
        local_address_to("192.0.2.1")


def test_no_socket_to_ask_with(monkeypatch):
    def none(*args):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none)
    with pytest.raises(TransportError, match="Too many open files"):
        local_address_to("127.0.0.1")
