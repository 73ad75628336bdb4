"""The event package dialog (RFC 4235)."""

from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip.packages import DialogInfo, DialogPackage, DialogParticipant, ObservedDialog

PACKAGE = DialogPackage()
BODIES = Path(__file__).parent / "bodies"
BOB = DialogParticipant("sip:bob@example.com", "Bob", "sip:bob@10.0.0.1")


def read(body):
    return PACKAGE.parse(body.encode() if isinstance(body, str) else body, PACKAGE.accepts[0])


def info(version, state, *dialogs):
    return DialogInfo("sip:alice@example.com", version, state, dialogs)


def test_the_example_of_the_rfc():
    assert read((BODIES / "rfc4235-6.xml").read_bytes()) == info(
        1,
        "full",
        ObservedDialog(
            "as7d900as8", "early", "initiator", "a84b4c76e66710", "1928301774", "456887766"
        ),
    )


def test_the_flow_of_a_shared_line():
    # RFC 4235 §6.2, with what its examples have wrong left out.
    state = None
    for number in (10, 11, 12, 13, 14):
        new = read((BODIES / f"rfc4235-{number}.xml").read_bytes())
        state = PACKAGE.merge(state, new)
    assert state.state == "full"
    assert state.version == 4
    assert len({one.id for one in state.dialogs}) == len(state.dialogs)


def test_receiver_is_read_as_recipient():
    new = read((BODIES / "rfc4235-15.xml").read_bytes())
    assert "recipient" in {one.direction for one in new.dialogs}


def test_all_is_written():
    state = info(
        7,
        "partial",
        ObservedDialog(
            *("1", "terminated", "recipient", "c1", "l1", "r1", "rejected", 486, 12, BOB, BOB)
        ),
        ObservedDialog("2", "trying"),
    )
    assert read(PACKAGE.build(state)) == state


def test_busy_is_who_has_a_dialog_that_is_not_over():
    assert info(0, "full", ObservedDialog("1", "trying")).is_busy
    assert not info(0, "full", ObservedDialog("1", "terminated")).is_busy
    assert not info(0, "full").is_busy


@pytest.mark.parametrize(
    "inside",
    [
        '<dialog id="1"/>',
        '<dialog id="1"><state/></dialog>',
        '<dialog id="1"><state>talking</state></dialog>',
        "<dialog><state>early</state></dialog>",
        '<dialog id="1" direction="up"><state>early</state></dialog>',
        '<dialog id="1"><state code="many">early</state></dialog>',
        '<dialog id="1"><state>early</state><duration>-1</duration></dialog>',
    ],
)
def test_what_is_refused(inside):
    head = '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" entity="sip:a@b"'
    with pytest.raises(ParseError):
        read(f'{head} version="0" state="full">{inside}</dialog-info>')
    for wrong in ('version="0" state="half"', 'version="x" state="full"', 'state="full"'):
        with pytest.raises(ParseError):
            read(f"{head} {wrong}/>")


# -------------------------------------------------------------------- one whole state (§4.3)

ONE = ObservedDialog("1", "early", local=BOB, remote=BOB)
TWO = ObservedDialog("2", "confirmed")


def test_a_part_changes_what_it_tells():
    state = PACKAGE.merge(
        info(3, "full", ONE, TWO), info(4, "partial", TWO.replace(state="trying"))
    )
    assert state == info(4, "full", ONE, TWO.replace(state="trying"))


def test_what_is_not_said_again_stays():
    new = ObservedDialog("1", "confirmed", local=DialogParticipant(target="sip:new@b"))
    (one,) = PACKAGE.merge(info(0, "full", ONE), info(1, "partial", new)).dialogs
    assert one.remote == BOB
    assert one.local == DialogParticipant("sip:bob@example.com", "Bob", "sip:new@b")


def test_what_has_ended_is_left_out_of_the_next():
    state = PACKAGE.merge(
        info(0, "full", ONE, TWO), info(1, "partial", ONE.replace(state="terminated"))
    )
    assert [one.state for one in state.dialogs] == ["terminated", "confirmed"]
    state = PACKAGE.merge(state, info(2, "partial"))
    assert state.dialogs == (TWO,)


def test_what_came_late_changes_nothing():
    before = info(4, "full", ONE)
    assert PACKAGE.merge(before, info(4, "partial", TWO)) is before
    assert PACKAGE.merge(before, info(3, "partial", TWO)) is before


def test_where_a_part_is_missing_the_whole_is_asked_for():
    assert PACKAGE.merge(info(4, "full", ONE), info(6, "partial", TWO)) is None
    assert PACKAGE.merge(None, info(0, "partial", TWO)) is None


def test_the_whole_is_the_whole():
    # A notifier that has started anew begins at 0 again.
    assert PACKAGE.merge(info(4, "full", ONE), info(0, "full", TWO)) == info(0, "full", TWO)


def test_documents_are_numbered():
    assert PACKAGE.numbered(info(0, "full", ONE), 5) == info(5, "full", ONE)
