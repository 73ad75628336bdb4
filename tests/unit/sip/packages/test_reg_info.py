"""The event package reg (RFC 3680)."""

from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip.packages import RegInfo, RegisteredContact, RegistrationState, RegPackage

PACKAGE = RegPackage()
BODIES = Path(__file__).parent / "bodies"


def read(body):
    return PACKAGE.parse(body.encode() if isinstance(body, str) else body, PACKAGE.accepts[0])


def test_the_example_of_the_rfc():
    state = read((BODIES / "rfc3680-1.xml").read_bytes())
    (one,) = state.registrations
    assert (one.aor, one.id, one.state) == ("sip:user@example.com", "as9", "active")
    assert one.contacts == (
        RegisteredContact("76", "sip:user@pc887.example.com", duration=7322, q=0.8),
        RegisteredContact(
            "77", "sip:user@university.edu", "terminated", "expired", duration=3600, q=0.5
        ),
    )


def test_the_flow_of_the_rfc():
    first = read((BODIES / "rfc3680-2.xml").read_bytes())
    state = PACKAGE.merge(PACKAGE.merge(None, first), read((BODIES / "rfc3680-3.xml").read_bytes()))
    (one,) = state.registrations
    assert (one.aor, one.state, state.state) == ("sip:joe@example.com", "active", "full")
    assert len(one.contacts) == 1


def test_all_is_written():
    contact = RegisteredContact(
        *(
            "1",
            "sip:a@b",
            "active",
            "shortened",
            "A",
            60,
            5,
            7,
            0.25,
            "c1",
            9,
            {"+sip.instance": "x"},
        )
    )
    state = RegInfo(3, "partial", (RegistrationState("sip:a@b", "r", "init", (contact,)),))
    assert read(PACKAGE.build(state)) == state


def made(version, state, *contacts):
    return RegInfo(version, state, (RegistrationState("sip:a@b", "r", "active", contacts),))


A, B = RegisteredContact("a", "sip:a@1"), RegisteredContact("b", "sip:b@1")


def test_one_whole_state_of_the_documents():
    state = PACKAGE.merge(made(0, "full", A), made(1, "partial", B))
    assert state == made(1, "full", A, B)
    gone = A.replace(state="terminated", event="expired")
    state = PACKAGE.merge(state, made(2, "partial", gone))
    assert state == made(2, "full", gone, B)
    state = PACKAGE.merge(state, made(3, "partial"))
    assert state == made(3, "full", B)
    assert PACKAGE.merge(state, made(5, "partial", A)) is None
    assert PACKAGE.merge(state, made(3, "partial", A)) is state
    assert PACKAGE.merge(None, made(0, "partial", A)) is None
    assert PACKAGE.merge(state, made(0, "full", A)) == made(0, "full", A)
    other = RegistrationState("sip:c@b", "s")
    state = PACKAGE.merge(state, RegInfo(4, "partial", (other,)))
    assert [one.id for one in state.registrations] == ["r", "s"]


def test_documents_are_numbered():
    assert PACKAGE.numbered(made(0, "full", A), 5).version == 5


@pytest.mark.parametrize(
    "change",
    [
        ('state="full"', 'state="some"'),
        ('version="0"', ""),
        ('aor="sip:user@example.com"', ""),
        ('id="as9"', ""),
        ('event="expired"', 'event="bored"'),
        ('q="0.8"', 'q="8"'),
        ('q="0.8"', 'q="nan"'),
        ('q="0.8"', 'q="x"'),
        ('"7322"', '"soon"'),
    ],
)
def test_what_is_refused(change):
    body = (BODIES / "rfc3680-1.xml").read_text()
    assert change[0] in body
    with pytest.raises(ParseError):
        read(body.replace(*change))
