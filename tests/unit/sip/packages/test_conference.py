"""The event package conference (RFC 4575)."""

from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip.packages import (
    ConferenceDescription,
    ConferenceEndpoint,
    ConferenceInfo,
    ConferenceMedia,
    ConferencePackage,
    ConferenceState,
    ConferenceUser,
)

PACKAGE = ConferencePackage()
BODIES = Path(__file__).parent / "bodies"
URI = "sips:conf233@example.com"


def read(body):
    return PACKAGE.parse(body.encode() if isinstance(body, str) else body, PACKAGE.accepts[0])


def info(version, state="full", users=(), users_state="full", **more):
    return ConferenceInfo(URI, version, state, users=tuple(users), users_state=users_state, **more)


def test_the_example_of_the_rfc():
    state = read((BODIES / "rfc4575-1.xml").read_bytes())
    assert (state.entity, state.version, state.state) == (URI, 1, "full")
    assert state.description.subject == "Agenda: This month's goals"
    assert state.status.user_count == 33
    bob, alice = state.users
    assert (bob.display_text, alice.entity) == ("Bob Hoskins", "sip:alice@example.com")
    (laptop,) = bob.endpoints
    assert (laptop.status, laptop.disconnection_method) == ("disconnected", "departed")
    assert alice.endpoints[0].media == (
        ConferenceMedia("1", "audio", "34567", "534232", "sendrecv"),
    )


def test_the_partial_example_of_the_rfc():
    partial = read((BODIES / "rfc4575-2.xml").read_bytes())
    assert partial.state == "partial"
    assert partial.status == ConferenceState(32, True, False)
    assert partial.users[0].roles == ("participant",)
    first = read((BODIES / "rfc4575-1.xml").read_bytes())
    assert PACKAGE.merge(first, partial) is None  # versions 2 to 4 are missing
    state = PACKAGE.merge(first.replace(version=4), partial)
    assert state.state == "full"
    assert state.description.maximum_user_count == 100


def test_all_is_written():
    media = ConferenceMedia("1", "audio", "l", "s", "recvonly", "partial")
    laptop = ConferenceEndpoint(
        "sip:a@1", "Laptop", "on-hold", "dialed-in", "booted", (media,), "partial"
    )
    state = info(
        9,
        "partial",
        [ConferenceUser("sip:a@b", "A", ("chair", "speaker"), (laptop,), "partial")],
        "partial",
        description=ConferenceDescription("d", "s", "f", 5, "partial"),
        status=ConferenceState(3, True, False, "partial"),
    )
    assert read(PACKAGE.build(state)) == state


@pytest.mark.parametrize(
    "change",
    [
        ('state="full" version="1"', 'state="half" version="1"'),
        ('entity="sips:conf233@example.com"', ""),
        (">33<", ">many<"),
        ('<user entity="sip:bob@example.com"', "<user"),
        ('<media id="1">', "<media>"),
    ],
)
def test_what_is_refused(change):
    body = (BODIES / "rfc4575-1.xml").read_text()
    assert change[0] in body
    with pytest.raises(ParseError):
        read(body.replace(*change))


# -------------------------------------------------------------------- one whole state (§4.6)

A1 = ConferenceMedia("1", "audio", status="sendrecv")
V1 = ConferenceMedia("2", "video")
LAPTOP = ConferenceEndpoint("sip:a@1", "Laptop", "connected", media=(A1,))
PHONE = ConferenceEndpoint("sip:a@2", "Phone")
ALICE = ConferenceUser("sip:a@b", "Alice", ("chair",), (LAPTOP,))
BOB = ConferenceUser("sip:b@b", "Bob")


def merged(*users, before=(ALICE, BOB)):
    return PACKAGE.merge(info(0, users=before), info(1, "partial", users, "partial")).users


def test_a_participant_comes_and_goes():
    carol = ConferenceUser("sip:c@b", "Carol")
    assert merged(carol) == (ALICE, BOB, carol)
    assert merged(ConferenceUser("sip:a@b", state="deleted")) == (BOB,)
    assert merged(ConferenceUser("sip:nobody@b", state="deleted")) == (ALICE, BOB)


def test_a_whole_participant_replaces_what_there_was():
    assert merged(ConferenceUser("sip:a@b")) == (ConferenceUser("sip:a@b"), BOB)


def test_a_part_of_a_participant_changes_what_it_says():
    assert merged(ConferenceUser("sip:a@b", "Alice B", state="partial")) == (
        ALICE.replace(display_text="Alice B"),
        BOB,
    )


def test_devices_and_streams_too():
    held = ConferenceEndpoint("sip:a@1", status="on-hold", state="partial")
    (alice, _) = merged(ConferenceUser("sip:a@b", endpoints=(held, PHONE), state="partial"))
    assert alice.endpoints == (LAPTOP.replace(status="on-hold"), PHONE)
    muted = ConferenceMedia("1", status="recvonly", state="partial")
    device = ConferenceEndpoint("sip:a@1", media=(muted, V1), state="partial")
    (alice, _) = merged(ConferenceUser("sip:a@b", endpoints=(device,), state="partial"))
    assert alice.endpoints[0].media == (A1.replace(status="recvonly"), V1)
    gone = ConferenceEndpoint("sip:a@1", state="deleted")
    (alice, _) = merged(ConferenceUser("sip:a@b", endpoints=(gone,), state="partial"))
    assert alice.endpoints == ()


def test_what_the_conference_is_about():
    before = info(
        0,
        users=[BOB],
        description=ConferenceDescription("d", "s"),
        status=ConferenceState(2, locked=True),
    )
    partial = info(
        1,
        "partial",
        users_state="partial",
        description=ConferenceDescription(subject="t", state="partial"),
        status=ConferenceState(3),
    )
    state = PACKAGE.merge(before, partial)
    assert state.description == ConferenceDescription("d", "t")
    assert state.status == ConferenceState(3)
    assert state.users == (BOB,)
    nothing = info(
        2, "partial", users_state="partial", description=ConferenceDescription(state="deleted")
    )
    state = PACKAGE.merge(state, nothing)
    assert state.description is None
    assert state.status == ConferenceState(3)


def test_users_without_a_state_are_all_that_there_are():
    assert PACKAGE.merge(info(0, users=[ALICE]), info(1, "partial", [BOB])).users == (BOB,)
    assert PACKAGE.merge(info(0, users=[ALICE]), info(1, "partial", [], "deleted")).users == ()


def test_versions():
    state = info(4, users=[ALICE])
    assert PACKAGE.merge(state, info(4, "partial", [BOB], "partial")) is state
    assert PACKAGE.merge(state, info(6, "partial", [BOB], "partial")) is None
    assert PACKAGE.merge(None, info(0, "partial", [BOB], "partial")) is None
    assert PACKAGE.merge(state, info(5, "deleted")) == info(5, "deleted")
    assert PACKAGE.numbered(state, 9).version == 9
