"""Next hops, and what a proxy is made into."""

from __future__ import annotations

import pytest

from sipparty.errors import ParseError
from sipparty.sip.routing import NextHop, as_request_uri, is_loose, route_to


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:bob@Biloxi.com", NextHop("biloxi.com")),
        ("sip:h:5070;transport=tcp", NextHop("h", 5070, "TCP")),
        ("sips:h;transport=WS", NextHop("h", None, "WS", True)),
        ("sip:h;maddr=192.0.2.9;lr", NextHop("h", maddr="192.0.2.9")),
        ("sip:h:1;maddr=[2001:db8::1]", NextHop("h", 1, maddr="2001:db8::1")),
        ("sip:[::1]:5060", NextHop("::1", 5060)),
        ("sip:a;transport=tcp@h", NextHop("h")),
    ],
)
def test_what_a_uri_names(uri, hop):
    assert NextHop.of(uri) == hop


@pytest.mark.parametrize(
    "text",
    [
        "sip:biloxi.com",
        "sips:[2001:db8::1]:5070;transport=tcp",
        "sip:h;transport=udp;maddr=192.0.2.9",
    ],
)
def test_it_is_written_as_a_uri(text):
    assert str(NextHop.of(text)) == text


def test_what_is_secured_is_so_with_its_alternatives():
    hop = NextHop("a", transport="UDP", alternatives=(NextHop("b"), NextHop("c", secure=True)))
    secured = hop.secured()
    assert (secured.secure, secured.transport) == (True, None)
    assert [other.secure for other in secured.alternatives] == [True, True]
    assert secured.secured() is secured


@pytest.mark.parametrize(
    "uri",
    [
        "tel:+1",
        "mailto:a@b",
        "bob",
        "",
        "sip:h;maddr=-x",
        "sip:h;maddr=1.2.3",
        "sip:h;maddr=[::1",
        "sip:h;maddr=a!",
    ],
)
def test_what_names_none(uri):
    with pytest.raises(ParseError):
        NextHop.of(uri)


@pytest.mark.parametrize(
    ("host", "numeric"),
    [("192.0.2.1", True), ("2001:db8::1", True), ("a1.example", False), ("1.2.3.4.example", False)],
)
def test_addresses(host, numeric):
    assert NextHop(host).is_numeric is numeric


@pytest.mark.parametrize(
    ("route", "loose"),
    [
        ("<sip:p.example;lr>", True),
        ("<sip:p.example;LR>", True),
        ("<sip:p.example;lr=on;x>", True),
        ('"A, B" <sip:p.example;transport=tcp;lr>;ob', True),
        ("<sip:p.example>", False),
        # These are the header's, the user's and the URI headers', and not the URI's own.
        ("<sip:p.example>;lr", False),
        ("<sip:a;lr;b@p.example>", False),
        ("<sip:p.example?x=;lr>", False),
        ("<sip:p.example;lr?x=y>", True),
        ("<sip:p.example;lrx>", False),
    ],
)
def test_loose_routers(route, loose):
    assert is_loose(route) is loose


@pytest.mark.parametrize(
    ("proxy", "route"),
    [
        ("10.0.0.2", "<sip:10.0.0.2;lr>"),
        (" p.example:5070 ", "<sip:p.example:5070;lr>"),
        ("2001:db8::1", "<sip:[2001:db8::1];lr>"),
        ("[2001:db8::1]:5070", "<sip:[2001:db8::1]:5070;lr>"),
        ("sip:p.example;transport=tcp", "<sip:p.example;transport=tcp;lr>"),
        ("SIPS:p.example", "<SIPS:p.example;lr>"),
        ("<sip:p.example;lr>", "<sip:p.example;lr>"),
    ],
)
def test_a_proxy_becomes_a_loose_route(proxy, route):
    assert route_to(proxy) == route
    assert is_loose(route)


@pytest.mark.parametrize("proxy", ["", "a b", "h:99999", "<>", "p.example\r\nX: y", "tel:+1"])
def test_what_cannot_be_a_proxy(proxy):
    with pytest.raises(ParseError):
        route_to(proxy)


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:h;maddr=192.0.2.9", ("h", "192.0.2.9", True)),
        ("sip:192.0.2.1;maddr=there.example", ("192.0.2.1", "there.example", False)),
        ("sip:192.0.2.1;MADDR=[2001:DB8::1]", ("192.0.2.1", "2001:db8::1", True)),
        ("sip:h;maddr", ("h", "h", False)),
        ("sip:h;xmaddr=1.2.3.4", ("h", "h", False)),
    ],
)
def test_where_the_packets_go_and_whose_certificate_it_is(uri, hop):
    # RFC 3263 §4, RFC 5922 §4
    found = NextHop.of(uri)
    assert (found.host, found.place, found.is_numeric) == hop


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        ("sip:a@b", "sip:a@b"),
        ("sip:a@b?Route=%3Csip:x%3E", "sip:a@b"),
        ("sip:a@b;transport=tcp?X=1&Y=2", "sip:a@b;transport=tcp"),
        ("sip:a@b;method=REGISTER", "sip:a@b"),
        ("sip:a@b;lr;Method=BYE;x=1?X=1", "sip:a@b;lr;x=1"),
        ("sip:a@b;METHOD;;x", "sip:a@b;;x"),
        ("sip:a?b;method=c@d", "sip:a?b;method=c@d"),
        ("sip:method@b;xmethod=1", "sip:method@b;xmethod=1"),
        ("sip:[::1]:5060;method=x", "sip:[::1]:5060"),
        ("tel:+1?method", "tel:+1?method"),
    ],
)
def test_what_may_stand_in_a_request_line(uri, written):
    # RFC 3261 §19.1.1 table 1
    assert as_request_uri(uri) == written


def test_a_proxy_is_a_route_and_nothing_else():
    assert route_to("::1") == "<sip:[::1];lr>"
    assert route_to("p:5070") == "<sip:p:5070;lr>"
    assert route_to("sip:p;lr?X=1") == "<sip:p;lr>"
    with pytest.raises(ParseError, match="is not a valid proxy"):
        route_to("a b")
