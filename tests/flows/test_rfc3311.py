"""UPDATE: the example of RFC 3311 §8, and UPDATE in a call that is up (§5.1)."""

from __future__ import annotations

import pytest


@pytest.fixture
def caller(flow):
    return flow.phone("caller", "example.com")


@pytest.fixture
def callee(flow):
    return flow.phone("callee", "example.com")


def test_8_both_sides_update_an_early_dialog(flow, caller, callee):
    """The first exchange is in INVITE and a reliable 180; then each side changes the media by
    UPDATE, before the call is answered.
    """
    call = caller.call(callee)
    its = callee.incoming()
    its.ring(180, media=True, reliable=True)
    flow.until(lambda: caller.medias[0].directions)
    flow.run(10)
    flow.until_state("Done", call.hold())
    flow.run(5)
    assert (caller.medias[0].direction, callee.medias[0].direction) == ("sendonly", "recvonly")
    assert call.state == its.state == "InitiatingDialog"
    flow.until_state("Done", its.update_media())
    flow.run(5)
    assert (caller.medias[0].direction, callee.medias[0].direction) == ("sendonly", "recvonly")
    its.accept()
    flow.until_talking(call, its)
    if flow.clean:
        flow.shows("""
            caller > callee INVITE     F1
            callee > caller 180        F2
            caller > callee PRACK/200  F3 F4
            caller > callee UPDATE/200 F5 F6
            callee > caller UPDATE/200 F7 F8
            callee > caller 200        F9
            caller > callee ACK        F10
        """)
        described = [bool(flow[f"F{number}"].body) for number in range(1, 11)]
        assert described == [True, True, False, False, True, True, True, True, False, False]
        assert flow["F5"].cseq.number > flow["F3"].cseq.number
        assert b"a=sendonly" in flow["F5"].body
        assert b"a=recvonly" in flow["F6"].body
        assert flow["F5"].contact.uri_text == caller.contact
        assert flow["F7"].contact.uri_text == callee.contact
        assert "UPDATE" in flow["F1"].lines("Allow")[0]
        assert "UPDATE" in flow["F2"].lines("Allow")[0]
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_5_1_update_in_a_confirmed_dialog(flow, caller, callee):
    """A hold that needs no answer of a person may be an UPDATE, which has no ACK."""
    call, its = caller.talk_to(callee)
    flow.until_state("Done", its.hold(method="UPDATE"))
    flow.run(5)
    assert call.held_by_peer
    flow.until_state("Done", its.resume(method="UPDATE"))
    flow.run(5)
    assert not call.held_by_peer
    if flow.clean:
        flow.shows("""
            caller > callee INVITE
            callee > caller 180
            callee > caller 200
            caller > callee ACK
            callee > caller UPDATE/200
            callee > caller UPDATE/200
        """)
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_5_2_updates_that_cross(flow, caller, callee):
    """Both sides send one at once: both get 491, and try again after times that differ (§5.3)."""
    call, its = caller.talk_to(callee)
    changes = call.hold(method="UPDATE"), its.update_media(method="UPDATE")
    flow.until_state("Done", *changes)
    flow.run(5)
    assert its.held_by_peer
    if flow.clean:
        lines = flow.lines
        assert lines.count("caller > callee 491") == lines.count("callee > caller 491") == 1
    call.terminate()
    flow.until_state("Terminated", call, its)
