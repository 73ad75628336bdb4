"""presence (RFC 3856) with PIDF (RFC 3863)."""

from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip.packages import Presence, PresencePackage, PresenceTuple

PACKAGE = PresencePackage()
BODIES = Path(__file__).parent / "bodies"
HEAD = '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b">'


def read(body):
    return PACKAGE.parse(body.encode() if isinstance(body, str) else body, PACKAGE.accepts[0])


def test_the_example_of_the_rfc():
    state = read((BODIES / "rfc3863-4.xml").read_bytes())
    assert state == Presence(
        "pres:someone@example.com",
        (
            PresenceTuple(
                "bs35r9",
                "open",
                "im:someone@mobilecarrier.net",
                0.8,
                ("Don't Disturb Please!", "Ne derangez pas, s'il vous plait"),
                "2001-10-27T16:49:29Z",
            ),
            PresenceTuple("eg92n8", "open", "mailto:someone@example.com", 1.0),
        ),
        ("I'll be in Tokyo next week",),
    )
    assert state.is_open


def test_prefixes_and_line_breaks_do_not_matter():
    state = read((BODIES / "rfc3863-5.xml").read_bytes())
    assert state.tuples[1].contact == "im:someone@mobilecarrier.net"


@pytest.mark.parametrize("is_open", [True, False])
def test_the_short_form(is_open):
    state = Presence.of("sip:a@b", is_open, "At lunch", "sip:a@10.0.0.1")
    assert state.is_open == is_open
    assert state.notes == ("At lunch",)
    assert read(PACKAGE.build(state)) == state


def test_one_open_way_is_enough():
    ways = (PresenceTuple("1", "closed"), PresenceTuple("2", None), PresenceTuple("3", "open"))
    assert Presence("sip:a@b", ways).is_open
    assert not Presence("sip:a@b", ways[:2]).is_open
    assert not Presence("sip:a@b").is_open


def test_a_tuple_may_say_nothing():
    state = read(f'{HEAD}<tuple id="1"><status/></tuple></presence>')
    assert state.tuples == (PresenceTuple("1"),)
    assert read(PACKAGE.build(state)) == state


@pytest.mark.parametrize(
    "inside",
    [
        "<tuple><status/></tuple>",
        '<tuple id="1"><status><basic>maybe</basic></status></tuple>',
        '<tuple id="1"><status/><contact priority="2">sip:a@b</contact></tuple>',
        '<tuple id="1"><status/><contact priority="-1">sip:a@b</contact></tuple>',
        '<tuple id="1"><status/><contact priority="nan">sip:a@b</contact></tuple>',
        '<tuple id="1"><status/><contact priority="high">sip:a@b</contact></tuple>',
    ],
)
def test_what_is_refused(inside):
    with pytest.raises(ParseError):
        read(f"{HEAD}{inside}</presence>")


def test_without_an_entity_it_is_nobodys():
    with pytest.raises(ParseError, match="entity"):
        read('<presence xmlns="urn:ietf:params:xml:ns:pidf"/>')
