"""Strangers who have calls, and what is kept for them, last."""

import queue
import threading

from sipparty.sip import Request
from sipparty.sip.events import CallEnded, CallProgressed, CallReceived

from ..faults.raw import catch_up, dial, request

PATIENCE = 15


def test_a_stranger_does_not_hold_a_call_for_as_long_as_its_expires_says(defended):
    """One datagram with `Expires: 4294967295` held a call, and a place among `max_calls`, for an
    hour. It holds them for our own patience.
    """
    bob = defended("udp", auto_answer=False)
    with dial(bob.port, "udp") as attacker:
        attacker.send(request("INVITE", extra="Expires: 4294967295\r\n"))
        catch_up(attacker)
        assert bob.counts()["dialogs"] == 1
        bob.clock.advance(179)
        assert bob.counts()["dialogs"] == 1
        bob.clock.advance(2)
        assert bob.counts()["dialogs"] == 0
    bob.party.configure(auto_answer=True)
    bob.check()


def test_provisional_responses_without_end_fill_no_memory(make_party, peer):
    """Whoever is asked something answers 183 for as long as the transaction lasts: 1,500 of them
    with 60 kB each were kept.
    """
    alice = make_party("alice@atlanta.com")
    asked = alice.send(Request("MESSAGE", "sip:bob@biloxi.com"), peer.place)
    message = peer.receive("MESSAGE")
    for number in range(1500):
        peer.answer(message, 183, f"Nearly {number}")
    peer.answer(message, 200)
    assert asked.wait(PATIENCE).status == 200
    assert len(asked.provisional) <= asked.KEPT
    assert not asked.provisional or asked.provisional[-1].status == 183


def test_progress_without_end_does_not_queue_for_a_slow_handler(make_party, peer):
    """A callee that rings a thousand times had a thousand events wait for a handler that is slow,
    each with its response.
    """
    alice = make_party("alice@atlanta.com")
    let, entered, seen, ended = threading.Event(), threading.Event(), [], queue.Queue()

    def slow(event):
        seen.append((event.response.status, event.response.reason))
        entered.set()
        assert let.wait(PATIENCE)

    alice.on(CallProgressed, slow)
    alice.on(CallEnded, ended.put)
    call = alice.invite("bob@biloxi.com", proxy=peer.place)
    invite = peer.receive("INVITE")
    peer.answer(invite, 180, "first")
    assert entered.wait(PATIENCE)
    for number in range(1000):
        peer.answer(invite, 180 + number % 3, f"{number}")
    peer.answer(invite, 486)
    call.waitForStateCondition(call.settled, PATIENCE)
    lines = alice.engine.run(lambda: [len(one) for one in alice.engine.dispatcher._lines.values()])
    assert max(lines) <= 5  # the one at work, the last of each status, and the end
    let.set()
    assert ended.get(timeout=PATIENCE).call is call
    assert seen[0] == (180, "first")
    assert len(seen) <= 4


def test_a_call_that_cannot_be_wakes_nobody(defended):
    """A stranger has phones ring with calls that could never be answered, and that cost nothing."""
    bob = defended("udp")
    woken = queue.Queue()
    bob.party.on(CallReceived, woken.put)
    hopeless = [
        {"body": b"v=0\r\n", "extra": "Content-Type: application/sdp\r\n"},
        {"body": b"x", "extra": "Content-Type: text/plain\r\n"},
        {"extra": "Require: magic\r\n"},
        {"extra": "Accept: text/html\r\n"},
        {"extra": "Record-Route: <tel:+1>\r\n"},
    ]
    with dial(bob.port, "udp") as attacker:
        said = []
        for one in hopeless:
            attacker.send(request("INVITE", **one))
            said += catch_up(attacker)
    assert [line.split()[1] for line in said] == [b"400", b"415", b"420", b"406", b"400"]
    assert bob.counts()["dialogs"] == 0
    assert woken.empty()
