"""The table of headers, and rows added to it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.headers import (
    HEADERS,
    SPELLINGS,
    Header,
    Many,
    header_key,
    header_name,
    register_header,
)
from sipparty.sip.message import Message, Request
from sipparty.sip.values import HeaderValue


@pytest.fixture(autouse=True)
def table():
    """The table as it was, afterwards."""
    headers, spellings = dict(HEADERS), dict(SPELLINGS)
    yield
    for now, before in ((HEADERS, headers), (SPELLINGS, spellings)):
        now.clear()
        now.update(before)


def options(*lines):
    return Message.parse("\r\n".join(["OPTIONS sip:b SIP/2.0", *lines, "", ""]).encode())


#: RFC 3261 §7.3.3 and those registered since.
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}


@pytest.mark.parametrize("compact", COMPACT)
def test_compact_names(compact):
    key = COMPACT[compact]
    assert header_key(compact) == header_key(compact.upper()) == key
    assert HEADERS[key].compact == compact


@pytest.mark.parametrize("name", ["Call-ID", "call-id", "CALL-ID", "cAlL-iD", "i", "I"])
def test_case_says_nothing(name):
    assert header_key(name) == "call-id"
    assert header_name(header_key(name)) == "Call-ID"


def test_names_that_nobody_knows():
    assert header_key("X-Unheard-OF") == "x-unheard-of"
    assert header_name("x-unheard-of") == "X-Unheard-Of"


def test_every_row_is_found_by_its_name_and_says_where_it_is_from():
    for key, row in HEADERS.items():
        assert header_key(row.name) == key == row.name.lower()
        assert header_name(key) == row.name
        assert row.rfc.startswith("RFC ")


def test_a_header_of_ones_own():
    register_header("X-Depth", int, compact="q", rfc="")
    message = options("q: 7")
    assert message["X-Depth"] == message["x-depth"] == message["Q"] == 7
    assert header_key("X-DEPTH") == "x-depth"
    message["X-Depth"] = 8
    assert b"\r\nX-Depth: 8\r\n" in bytes(message)
    assert Request("OPTIONS", "sip:b", {"q": 9}).get("X-Depth") == 9


@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_a_class_that_refuses_a_text_makes_a_parse_error(kind):
    register_header("X-Depth", kind)
    message = options("X-Depth: deep")
    with pytest.raises(ParseError) as refusal:
        message["X-Depth"]
    assert str(refusal.value) == (
        f"'deep' is not a valid X-Depth value: expected what {kind.__name__} takes at position 0."
    )
    assert bytes(message).count(b"X-Depth: deep") == 1
    with pytest.raises(ParseError):
        message["X-Depth"] = "deep"


def test_a_list_and_tokens_and_lines_of_ones_own():
    register_header("X-List", int, Many.LIST)
    register_header("X-Tokens", str, Many.TOKENS)
    register_header("X-Lines", str, Many.LINES)
    message = options("X-List: 1, 2", "X-List: 3", "X-Tokens: a,b", "X-Tokens: c", "X-Lines: a, b")
    assert (message["X-List"], message.all("X-List")) == (1, [1, 2, 3])
    assert message["X-Tokens"] == ("a", "b", "c")
    assert message.all("X-Lines") == ["a, b"]


def test_values_that_can_change_are_watched():
    class Box:
        def __init__(self, text):
            self.text = text

        def __str__(self):
            return self.text

    register_header("X-Box", Box, Many.LIST)
    message = options("X-Box: a, b", "x-box: c", "Subject:  s")
    message.all("X-Box")[2].text = "d"
    assert bytes(message).startswith(
        b"OPTIONS sip:b SIP/2.0\r\nX-Box: a, b\r\nx-box: d\r\nSubject:  s\r\n"
    )
    message.all("X-Box")[0].text = "z"
    assert b"\r\nX-Box: z, b\r\nx-box: d\r\n" in bytes(message)
    message.all("X-Box")[0].text = "z\r\nX-Evil: 1"
    with pytest.raises(BuildError, match="cannot be a X-Box value"):
        bytes(message)


def test_a_row_can_be_replaced():
    register_header("Subject", str.upper, compact="s")
    assert options("s: lunch")["Subject"] == "LUNCH"


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nY"])
def test_names_are_tokens(name):
    if name:
        with pytest.raises(BuildError, match="expected a token"):
            register_header(name)
    with pytest.raises(BuildError, match="expected a token"):
        Request("OPTIONS", "sip:b").add(name, "x")


def test_a_compact_form_belongs_to_one():
    with pytest.raises(BuildError, match="'v' is the compact form of Via already"):
        register_header("X-Vote", compact="v")
    assert header_key("v") == "via"
    assert "x-vote" not in HEADERS


def test_what_a_row_is_by_default():
    assert Header("X") == ("X", str, Many.ONE, "", "RFC 3261 §20")
    assert not issubclass(Header, HeaderValue)
