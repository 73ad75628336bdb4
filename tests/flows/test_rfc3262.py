"""Reliable provisional responses, as RFC 3262 §3 to §5 describes them.

The RFC has no figures of its own; the flows follow its text, and RFC 3311 §8 has one with PRACK.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def alice(flow):
    return flow.phone("alice", "atlanta.example.com")


@pytest.fixture
def bob(flow):
    return flow.phone("bob", "biloxi.example.com")


def test_5_offer_in_invite_and_answer_in_183(flow, alice, bob):
    """The 183 has the answer, and is sent until its PRACK comes; then media flows both ways before
    bob answers. His 200 has no description any more, as the exchange is complete.
    """
    call = alice.call(bob)
    its = bob.incoming()
    its.ring(183, media=True, reliable=True)
    flow.until(lambda: alice.medias[0].directions)
    flow.run(5)
    assert alice.medias[0].started
    assert bob.medias[0].started
    its.accept()
    flow.until_talking(call, its)
    assert alice.medias[0].directions == ["sendrecv"]
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE    F1
            bob   > alice 183       F2
            alice > bob   PRACK/200 F3 F4
            bob   > alice 200       F5
            alice > bob   ACK       F6
        """)
        assert "100rel" in flow["F1"].supported
        assert "100rel" in flow["F2"].require
        number = flow["F2"].lines("RSeq")[0]
        invite, prack = flow["F1"], flow["F3"]
        assert prack.lines("RAck") == [f"{number} {invite.cseq.number} INVITE"]
        assert prack.cseq.number == invite.cseq.number + 1
        assert prack.to.tag == flow["F2"].to.tag == flow["F5"].to.tag
        assert b"m=audio" in flow["F2"].body
        assert not flow["F5"].body
        assert flow["F6"].cseq.number == invite.cseq.number
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_5_offer_in_183_and_answer_in_prack(flow, alice, bob):
    """The INVITE has no offer, so the first reliable response has, and its PRACK the answer."""
    call = alice.call(bob, late_offer=True)
    its = bob.incoming()
    its.ring(183, media=True, reliable=True)
    flow.until(lambda: bob.medias and bob.medias[0].directions)
    flow.run(5)
    its.accept()
    flow.until_talking(call, its)
    assert alice.medias[0].directions == bob.medias[0].directions == ["sendrecv"]
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE    F1
            bob   > alice 183       F2
            alice > bob   PRACK/200 F3 F4
            bob   > alice 200       F5
            alice > bob   ACK       F6
        """)
        assert [bool(flow[label].body) for label in ("F1", "F2", "F3", "F4", "F5", "F6")] == [
            *(False, True, True, False, False, False)
        ]
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_3_each_waits_for_the_prack_of_the_one_before(flow, alice, bob):
    """RSeq rises by one, and the second response leaves when the first is acknowledged (§3)."""
    call = alice.call(bob)
    its = bob.incoming()
    its.ring(183, media=True, reliable=True)
    its.ring(180, reliable=True)
    flow.until(lambda: call.progress == 180)
    flow.run(5)
    its.accept()
    flow.until_talking(call, its)
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE
            bob   > alice 183       F1
            alice > bob   PRACK/200 F2
            bob   > alice 180       F3
            alice > bob   PRACK/200 F4
            bob   > alice 200
            alice > bob   ACK
        """)
        first, second = (int(flow[label].lines("RSeq")[0]) for label in ("F1", "F3"))
        assert second == first + 1
        assert flow["F4"].lines("RAck")[0].startswith(f"{second} ")
        assert flow["F4"].cseq.number == flow["F2"].cseq.number + 1
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_3_through_a_proxy_that_stays_in_the_path(flow, alice, bob):
    """PRACK takes the route set that the 183 has made (§4)."""
    proxy = flow.proxy("proxy", "biloxi.example.com", host="ss2.biloxi.example.com")
    proxy.targets[bob.address] = [[bob.contact]]
    call = alice.call(bob.uri, proxy=proxy)
    its = bob.incoming()
    its.ring(180, reliable=True)
    flow.until(lambda: call.progress == 180)
    flow.run(5)
    its.accept()
    flow.until_talking(call, its)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE
            proxy > bob   INVITE
            proxy > alice 100
            bob   > proxy 180
            proxy > alice 180
            alice > proxy PRACK  F1
            proxy > bob   PRACK
            bob   > proxy 200
            proxy > alice 200
            bob   > proxy 200
            proxy > alice 200
            alice > proxy ACK
            proxy > bob   ACK
        """)
        assert flow["F1"].lines("Route") == ["<sip:ss2.biloxi.example.com;lr>"]
        assert flow["F1"].uri_text == bob.contact
    call.terminate()
    flow.until_state("Terminated", call, its)


def test_3_required_by_the_caller_and_not_supported(flow, alice, bob):
    """Alice's INVITE has Require: 100rel; bob does not know it, and answers 420 (§3)."""
    alice.agent.reliable_provisionals = "required"
    bob.agent.reliable_provisionals = "off"
    call = alice.call(bob)
    flow.fails(call, 420)
    if flow.clean:
        flow.shows("""
            alice > bob INVITE/420 F1 F2
            alice > bob ACK
        """)
        assert "100rel" in flow["F1"].require
        assert flow["F2"].lines("Unsupported") == ["100rel"]


def test_3_cancelled_while_a_response_waits_for_its_prack(flow, alice, bob):
    """The call is given up early: nothing of PRACK is left over."""
    call = alice.call(bob)
    its = bob.incoming()
    its.ring(180, reliable=True)
    flow.run(0.012)
    call.terminate()
    flow.until_state("Terminated", call, its)
