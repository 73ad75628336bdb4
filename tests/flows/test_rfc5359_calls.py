"""The services of RFC 5359 that need calls alone: hold, forwarding, find-me, screening, 3-way.

The figures go by TLS; these go by UDP, where messages can be lost. Two messages that a figure shows
side by side come in the order in which the elements here send them.
"""

from __future__ import annotations

import pytest

from sipparty.sip.events import CallHeld, CallProgressed, CallResumed

DOMAIN = "example.com"


@pytest.fixture
def alice(flow):
    return flow.phone("alice", "atlanta.example.com")


@pytest.fixture
def bob(flow):
    return flow.phone("bob", DOMAIN)


@pytest.fixture
def carol(flow):
    return flow.phone("carol", DOMAIN)


@pytest.fixture
def proxy(flow, bob):
    proxy = flow.proxy("proxy", DOMAIN, host="ss1.example.com")
    proxy.targets[bob.address] = [[bob.contact]]
    return proxy


CALL = """
    alice > proxy INVITE F1
    proxy > bob   INVITE F2
    proxy > alice 100    F3
    bob   > proxy 180    F4
    proxy > alice 180    F5
    bob   > proxy 200    F6
    proxy > alice 200    F7
    alice > proxy ACK    F8
    proxy > bob   ACK    F9
"""

HOLD = """
    bob   > proxy INVITE F10
    proxy > alice INVITE F11
    proxy > bob   100
    alice > proxy 200    F12
    proxy > bob   200    F13
    bob   > proxy ACK    F14
    proxy > alice ACK    F15
"""


def test_2_1_call_hold(flow, alice, bob, proxy):
    """Bob holds alice, and takes her back. The proxy sends 100 for each INVITE, also for those
    inside the call, where the figure does not show one.
    """
    call, its = alice.talk_to(bob, proxy=proxy)
    flow.until_state("Done", its.hold())
    flow.run(1)
    assert (its.held, call.held_by_peer) == (True, True)
    assert [bob.medias[0].direction, alice.medias[0].direction] == ["sendonly", "recvonly"]
    flow.until_state("Done", its.resume())
    flow.run(1)
    assert (its.held, call.held_by_peer) == (False, False)
    assert [bob.medias[0].direction, alice.medias[0].direction] == ["sendrecv", "sendrecv"]
    assert [len(alice.happened(kind)) for kind in (CallHeld, CallResumed)] == [1, 1]
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows(
            CALL,
            HOLD,
            """
            bob   > proxy INVITE F16
            proxy > alice INVITE F17
            proxy > bob   100
            alice > proxy 200    F18
            proxy > bob   200    F19
            bob   > proxy ACK    F20
            proxy > alice ACK    F21
            alice > proxy BYE    F22
            proxy > bob   BYE    F23
            bob   > proxy 200    F24
            proxy > alice 200    F25
        """,
        )
        directions = [b"a=sendonly", b"a=recvonly", b"a=sendrecv", b"a=sendrecv"]
        for label, direction in zip(("F10", "F12", "F16", "F18"), directions, strict=True):
            assert direction in flow[label].body
        assert flow["F10"].cseq.number < flow["F16"].cseq.number
        assert flow["F10"].lines("Route") == ["<sip:ss1.example.com;lr>"]


def test_2_2_consultation_hold(flow, alice, bob, carol, proxy):
    """Bob holds alice, talks to carol, and takes alice back."""
    proxy.targets[carol.address] = [[carol.contact]]
    call, its = alice.talk_to(bob, proxy=proxy)
    flow.until_state("Done", its.hold())
    flow.run(1)
    consultation, carols = bob.talk_to(carol, proxy=proxy)
    assert alice.medias[0].direction == "recvonly"
    assert carol.medias[0].direction == "sendrecv"
    consultation.terminate()
    flow.until_state("Terminated", consultation, carols)
    flow.until_state("Done", its.resume())
    flow.run(1)
    assert alice.medias[0].direction == bob.medias[0].direction == "sendrecv"
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows(
            CALL,
            HOLD,
            """
            bob   > proxy INVITE F16
            proxy > carol INVITE F17
            proxy > bob   100    F18
            carol > proxy 180    F19
            proxy > bob   180    F20
            carol > proxy 200    F21
            proxy > bob   200    F22
            bob   > proxy ACK    F23
            proxy > carol ACK    F24
            bob   > proxy BYE    F25
            proxy > carol BYE    F26
            carol > proxy 200    F27
            proxy > bob   200    F28
            bob   > proxy INVITE F29
            proxy > alice INVITE F30
            proxy > bob   100
            alice > proxy 200    F31
            proxy > bob   200    F32
            bob   > proxy ACK    F33
            proxy > alice ACK    F34
            alice > proxy BYE    F35
            proxy > bob   BYE    F36
            bob   > proxy 200    F37
            proxy > alice 200    F38
        """,
        )
        assert flow["F16"].call_id != flow["F1"].call_id == flow["F29"].call_id


def test_2_7_call_forwarding_unconditional(flow, alice, bob, proxy):
    """The proxy sends what is for bob to a gateway."""
    gateway = flow.phone("gateway", "gw1.example.com")
    proxy.targets[bob.address] = [[], [gateway.contact]]
    proxy.forwarded = True
    call, its = alice.call(bob.uri, proxy=proxy), gateway.pick_up()
    flow.until_talking(call, its)
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice   > proxy   INVITE F1
            proxy   > alice   100    F2
            proxy   > alice   181    F3
            proxy   > gateway INVITE F4
            gateway > proxy   180    F5
            proxy   > alice   180    F6
            gateway > proxy   200    F7
            proxy   > alice   200    F8
            alice   > proxy   ACK    F9
            proxy   > gateway ACK    F10
            alice   > proxy   BYE    F11
            proxy   > gateway BYE    F12
            gateway > proxy   200    F13
            proxy   > alice   200    F14
        """)
        assert [event.response.status for event in alice.happened(CallProgressed)] == [181, 180]
        assert flow["F3"].to.tag != flow["F6"].to.tag
        assert flow["F9"].to.tag == flow["F8"].to.tag


@pytest.fixture
def b1(flow):
    return flow.phone("b1", DOMAIN)


@pytest.fixture
def b2(flow):
    return flow.phone("b2", DOMAIN)


def test_2_8_call_forwarding_busy(flow, alice, b1, b2, proxy):
    """B1 is busy, so the proxy calls b2."""
    proxy.targets[b1.address] = [[b1.contact], [b2.contact]]
    proxy.forwarded = True
    call = alice.call(b1.uri, proxy=proxy)
    b1.incoming().reject(486)
    its = b2.pick_up()
    flow.until_talking(call, its)
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE F1
            proxy > b1    INVITE F2
            proxy > alice 100    F3
            b1    > proxy 486    F4
            proxy > b1    ACK    F5
            proxy > alice 181    F6
            proxy > b2    INVITE F7
            b2    > proxy 180    F8
            proxy > alice 180    F9
            b2    > proxy 200    F10
            proxy > alice 200    F11
            alice > proxy ACK    F12
            proxy > b2    ACK    F13
            alice > proxy BYE    F14
            proxy > b2    BYE    F15
            b2    > proxy 200    F16
            proxy > alice 200    F17
        """)


def test_2_9_call_forwarding_no_answer(flow, alice, b1, b2, proxy):
    """B1 rings for a while, then the proxy calls b2."""
    proxy.targets[b1.address] = [[b1.contact], [b2.contact]]
    proxy.forwarded = True
    proxy.no_answer = 20
    call = alice.call(b1.uri, proxy=proxy)
    first = b1.incoming()
    first.ring()
    flow.until_state("Terminated", first)
    its = b2.pick_up()
    flow.until_talking(call, its)
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE F1
            proxy > b1    INVITE F2
            proxy > alice 100    F3
            b1    > proxy 180    F4
            proxy > alice 180    F5
            proxy > b1    CANCEL F6
            b1    > proxy 200    F7
            b1    > proxy 487    F8
            proxy > b1    ACK    F9
            proxy > alice 181    F10
            proxy > b2    INVITE F11
            b2    > proxy 180    F12
            proxy > alice 180    F13
            b2    > proxy 200    F14
            proxy > alice 200    F15
            alice > proxy ACK    F16
            proxy > b2    ACK    F17
            alice > proxy BYE    F18
            proxy > b2    BYE    F19
            b2    > proxy 200    F20
            proxy > alice 200    F21
        """)
        assert flow["F15"].to.tag == flow["F13"].to.tag != flow["F5"].to.tag


def test_2_10_third_party_is_added(flow, alice, bob, carol):
    """Bob changes his media with alice to that of his mixer, then calls carol.

    The figure has a Contact with the feature tag "isfocus" in F5, which is not sent here.
    """
    call, its = alice.talk_to(bob)
    flow.until_state("Done", its.update_media())
    flow.run(1)
    other, carols = bob.talk_to(carol)
    assert [media.direction for media in bob.medias] == ["sendrecv", "sendrecv"]
    assert len(bob.agent.dialogs) == 2
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE F1
            bob   > alice 180    F2
            bob   > alice 200    F3
            alice > bob   ACK    F4
            bob   > alice INVITE F5
            alice > bob   200    F6
            bob   > alice ACK    F7
            bob   > carol INVITE F8
            carol > bob   180    F9
            carol > bob   200    F10
            bob   > carol ACK    F11
        """)
    its.terminate()
    other.terminate()
    flow.until_state("Terminated", call, its, other, carols)


def test_2_12_find_me(flow, alice, bob, proxy):
    """The proxy calls bob's phones one after the other: no answer, not logged in, busy, there."""
    phones = [flow.phone(f"b{number}", DOMAIN) for number in (1, 2, 3, 4)]
    proxy.targets[bob.address] = [[phone.contact] for phone in phones]
    proxy.no_answer = 20
    call = alice.call(bob.uri, proxy=proxy)
    first = phones[0].incoming()
    first.ring()
    flow.until_state("Terminated", first)
    phones[1].incoming().reject(480)
    phones[2].incoming().reject(486)
    its = phones[3].pick_up()
    flow.until_talking(call, its)
    its.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE F1
            proxy > b1    INVITE F2
            proxy > alice 100    F3
            b1    > proxy 180    F4
            proxy > alice 180    F5
            proxy > b1    CANCEL F6
            b1    > proxy 200    F7
            b1    > proxy 487    F8
            proxy > b1    ACK    F9
            proxy > b2    INVITE F10
            b2    > proxy 480    F11
            proxy > b2    ACK    F12
            proxy > b3    INVITE F13
            b3    > proxy 486    F14
            proxy > b3    ACK    F15
            proxy > b4    INVITE F16
            b4    > proxy 180    F17
            proxy > alice 180    F18
            b4    > proxy 200    F19
            proxy > alice 200    F20
            alice > proxy ACK    F21
            proxy > b4    ACK    F22
            b4    > proxy BYE    F23
            proxy > alice BYE    F24
            alice > proxy 200    F25
            proxy > b4    200    F26
        """)


def test_2_12_find_me_by_forks(flow, alice, bob, proxy):
    """The same search at once, as the text of §2.12 has it: two phones ring, one is answered."""
    phones = [flow.phone(f"b{number}", DOMAIN) for number in (1, 2)]
    proxy.targets[bob.address] = [[phone.contact for phone in phones]]
    call = alice.call(bob.uri, proxy=proxy)
    first, second = (phone.incoming() for phone in phones)
    first.ring()
    second.ring()
    flow.run(1)
    second.accept()
    flow.until_talking(call, second)
    flow.until_state("Terminated", first)
    assert not call.forks
    call.terminate()
    flow.until_state("Terminated", call, second)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE
            proxy > b1    INVITE
            proxy > b2    INVITE
            proxy > alice 100
            b1    > proxy 180
            b2    > proxy 180
            proxy > alice 180 F1
            proxy > alice 180 F2
            b2    > proxy 200
            proxy > alice 200 F3
            proxy > b1    CANCEL
            alice > proxy ACK
            b1    > proxy 200
            b1    > proxy 487
            proxy > b2    ACK
            proxy > b1    ACK
            alice > proxy BYE F4
            proxy > b2    BYE
            b2    > proxy 200
            proxy > alice 200
        """)
        assert flow["F4"].to.tag == flow["F3"].to.tag == flow["F2"].to.tag != flow["F1"].to.tag


def test_2_13_incoming_call_screening(flow, alice, bob, proxy):
    """Bob takes calls by his proxy alone, which does not let alice through, and names an
    announcement that says so. What to do after the 305 and the 403 is alice's program.
    """
    proxy.enable_digest({"alice": "secret"})
    alice.knows({DOMAIN: ("alice", "secret")})
    server = flow.phone("server", "ms.biloxi.example.com", rings=False)
    announcement = "<sip:server@ms.biloxi.example.com>"
    proxy.refused[bob.address] = 403, [("Error-Info", announcement)]
    call = alice.call(bob)
    bob.incoming().reject(305, headers=[("Contact", f"<sip:{proxy.domain_name}>")])
    flow.fails(call, 305)
    use = call.last_error.response.contact.uri.address
    assert use == proxy.domain_name
    screened = alice.call(bob.uri, proxy=use)
    flow.fails(screened, 403)
    assert screened.last_error.response["Error-Info"] == announcement
    listening = alice.call(server)
    its = server.incoming().accept()
    flow.until_talking(listening, its)
    its.terminate()
    flow.until_state("Terminated", listening, its)
    if flow.clean:
        flow.shows("""
            alice  > bob    INVITE F1
            bob    > alice  305    F2
            alice  > bob    ACK    F3
            alice  > proxy  INVITE F4
            proxy  > alice  407    F5
            alice  > proxy  ACK    F6
            alice  > proxy  INVITE F7
            proxy  > alice  403    F8
            alice  > proxy  ACK    F9
            alice  > server INVITE F10
            server > alice  200    F11
            alice  > server ACK    F12
            server > alice  BYE    F13
            alice  > server 200    F14
        """)


def test_2_14_outgoing_call_screening(flow, alice, bob, proxy):
    """The proxy knows alice, and does not let her call bob."""
    proxy.enable_digest({"alice": "secret"})
    alice.knows({DOMAIN: ("alice", "secret")})
    proxy.refused[bob.address] = 403, ()
    call = alice.call(bob.uri, proxy=proxy)
    flow.fails(call, 403)
    if flow.clean:
        flow.shows("""
            alice > proxy INVITE F1
            proxy > alice 407    F2
            alice > proxy ACK    F3
            alice > proxy INVITE F4
            proxy > alice 403    F5
            alice > proxy ACK    F6
        """)
        assert flow["F4"].cseq.number == flow["F1"].cseq.number + 1
