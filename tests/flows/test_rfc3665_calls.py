"""The basic calls of RFC 3665 §3, flow by flow.

Where the figures have messages of two hops side by side, the tests have them in the order in which
the elements here send them: a proxy forwards an INVITE, then sends its 100.
"""

from __future__ import annotations

import pytest

from sipparty.sip.events import CallProgressed

from .servers import redirect_server

ATLANTA, BILOXI = "atlanta.example.com", "biloxi.example.com"
ROUTE_1 = "<sip:ss1.atlanta.example.com;lr>"
ROUTE_2 = "<sip:ss2.biloxi.example.com;lr>"


@pytest.fixture
def bob(flow):
    return flow.phone("bob", BILOXI)


@pytest.fixture
def proxy2(flow, bob):
    """The proxy of bob's domain."""
    proxy = flow.proxy("proxy2", BILOXI, host="ss2.biloxi.example.com")
    proxy.targets["bob@biloxi.example.com"] = [[bob.contact]]
    return proxy


@pytest.fixture
def proxy1(flow, proxy2):
    """The outbound proxy of alice's domain."""
    return flow.proxy("proxy1", ATLANTA, host="ss1.atlanta.example.com")


@pytest.fixture
def alice(flow):
    return flow.phone("alice", ATLANTA)


def test_3_1_successful_session_establishment(flow, alice, bob):
    """Alice calls bob directly; bob hangs up."""
    call = alice.call(bob)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    assert alice.medias[0].direction == bob.medias[0].direction == "sendrecv"
    its.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice > bob   INVITE F1
            bob   > alice 180    F2
            bob   > alice 200    F3
            alice > bob   ACK    F4
            bob   > alice BYE    F5
            alice > bob   200    F6
        """)
        invite, ack = flow["F1"], flow["F4"]
        assert ack.cseq.number == invite.cseq.number
        assert ack.uri_text == flow["F3"].contact.uri_text == bob.contact
        assert flow["F2"].to.tag == flow["F3"].to.tag == ack.to.tag
        assert flow["F5"].uri_text == invite.contact.uri_text == alice.contact


def test_3_2_session_through_two_proxies(flow, alice, bob, proxy1, proxy2):
    """Both proxies stay in the path; the first asks for credentials."""
    proxy1.enable_digest({"alice": "secret"})
    alice.knows({ATLANTA: ("alice", "secret")})
    call = alice.call(bob.uri, proxy=proxy1)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    its.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > alice  407    F2
            alice  > proxy1 ACK    F3
            alice  > proxy1 INVITE F4
            proxy1 > proxy2 INVITE F5
            proxy1 > alice  100    F6
            proxy2 > bob    INVITE F7
            proxy2 > proxy1 100    F8
            bob    > proxy2 180    F9
            proxy2 > proxy1 180    F10
            proxy1 > alice  180    F11
            bob    > proxy2 200    F12
            proxy2 > proxy1 200    F13
            proxy1 > alice  200    F14
            alice  > proxy1 ACK    F15
            proxy1 > proxy2 ACK    F16
            proxy2 > bob    ACK    F17
            bob    > proxy2 BYE    F18
            proxy2 > proxy1 BYE    F19
            proxy1 > alice  BYE    F20
            alice  > proxy1 200    F21
            proxy1 > proxy2 200    F22
            proxy2 > bob    200    F23
        """)
        assert flow["F1"].lines("Route") == [ROUTE_1]
        assert "Proxy-Authorization" not in flow["F1"]
        assert flow["F3"].cseq.number == flow["F1"].cseq.number
        assert 'realm="atlanta.example.com"' in str(flow["F4"]["Proxy-Authorization"])
        assert flow["F4"].cseq.number == flow["F1"].cseq.number + 1
        assert flow["F4"].call_id == flow["F1"].call_id
        assert flow["F4"].from_.tag == flow["F1"].from_.tag
        assert flow["F5"].lines("Record-Route") == [ROUTE_1]
        assert flow["F7"].lines("Record-Route") == [ROUTE_2, ROUTE_1]
        assert flow["F7"].uri_text == bob.contact
        assert flow["F14"].lines("Record-Route") == [ROUTE_2, ROUTE_1]
        # The route set of who calls is the reverse (RFC 3261 §12.1.2); of who is called, as is.
        assert routes(flow["F15"]) == [ROUTE_1, ROUTE_2]
        assert flow["F15"].uri_text == bob.contact
        assert routes(flow["F18"]) == [ROUTE_2, ROUTE_1]
        assert flow["F18"].uri_text == alice.contact
        assert "Route" not in flow["F17"]


def routes(message):
    """The Route values of a message."""
    return [one.strip() for line in message.lines("Route") for one in line.split(",")]


def test_3_3_multiple_proxy_authentication(flow, alice, bob, proxy1, proxy2):
    """Each proxy asks for credentials of its own realm; bob does not ring.

    The figure shows the 100 of a proxy before the INVITE that it forwards.
    """
    proxy1.enable_digest({"alice": "one"})
    proxy2.enable_digest({"alice": "two"})
    alice.knows({ATLANTA: ("alice", "one"), BILOXI: ("alice", "two")})
    call = alice.call(bob.uri, proxy=proxy1)
    its = bob.incoming()
    its.accept()
    flow.until_talking(call, its)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > alice  407    F2
            alice  > proxy1 ACK    F3
            alice  > proxy1 INVITE F4
            proxy1 > proxy2 INVITE F6
            proxy1 > alice  100    F5
            proxy2 > proxy1 407    F7
            proxy1 > proxy2 ACK    F8
            proxy1 > alice  407    F9
            alice  > proxy1 ACK    F10
            alice  > proxy1 INVITE F11
            proxy1 > proxy2 INVITE F13
            proxy1 > alice  100    F12
            proxy2 > bob    INVITE F15
            proxy2 > proxy1 100    F14
            bob    > proxy2 200    F16
            proxy2 > proxy1 200    F17
            proxy1 > alice  200    F18
            alice  > proxy1 ACK    F19
            proxy1 > proxy2 ACK    F20
            proxy2 > bob    ACK    F21
        """)
        numbers = [flow[label].cseq.number for label in ("F1", "F4", "F11")]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        credentials = flow["F11"].lines("Proxy-Authorization")
        for realm in (ATLANTA, BILOXI):
            assert sum(f'realm="{realm}"' in one for one in credentials) == 1
    its.terminate()
    flow.until_state("Terminated", call, its)


def test_3_4_proxy_failure(flow, alice, bob, proxy2):
    """Proxy 1 is there and silent: alice goes to the second server of her proxy's name (RFC 3263
    §4.3) with the same CSeq, and answers the challenge of that one.
    """
    silent, _ = flow.silent("proxy1")
    flow.network.hosts["proxy.example.com"] = [silent, proxy2.address[0]]
    proxy2.enable_digest({"alice": "two"})
    alice.knows({BILOXI: ("alice", "two")})
    call = alice.call(bob.uri, proxy="proxy.example.com")
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    its.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            alice  > proxy1 INVITE F2
            alice  > proxy1 INVITE F3
            alice  > proxy1 INVITE F4
            alice  > proxy1 INVITE F5
            alice  > proxy1 INVITE F6
            alice  > proxy1 INVITE F7
            alice  > proxy2 INVITE F8
            proxy2 > alice  407    F9
            alice  > proxy2 ACK    F10
            alice  > proxy2 INVITE F11
            proxy2 > bob    INVITE F12
            proxy2 > alice  100    F13
            bob    > proxy2 180    F14
            proxy2 > alice  180    F15
            bob    > proxy2 200    F16
            proxy2 > alice  200    F17
            alice  > proxy2 ACK    F18
            proxy2 > bob    ACK    F19
            bob    > proxy2 BYE    F20
            proxy2 > alice  BYE    F21
            alice  > proxy2 200    F22
            proxy2 > bob    200    F23
        """)
        assert flow["F8"].cseq == flow["F1"].cseq
        assert flow["F8"].call_id == flow["F1"].call_id
        assert flow["F8"].via.branch != flow["F1"].via.branch
        assert flow["F11"].cseq.number == flow["F1"].cseq.number + 1
        assert routes(flow["F18"]) == [ROUTE_2]


def test_3_5_session_through_a_sip_alg(flow, alice, bob, proxy2):
    """The gateway stays in the path, proxy 2 does not; media goes by the gateway.

    Alice hangs up.
    """
    proxy2.record_route = False
    alg = flow.proxy("alg", ATLANTA, host="alg1.atlanta.example.com")

    def rewrite(message):
        if message.body:
            message.body = message.body.replace(b"c=IN IP4 ", b"c=IN IP4 192.0.2.128\r\na=was:")

    alg.rewrite = rewrite
    call = alice.call(bob.uri, proxy=alg)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    assert alice.medias[0].remote[0] == bob.medias[0].remote[0] == "192.0.2.128"
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice  > alg    INVITE F1
            alg    > proxy2 INVITE F2
            alg    > alice  100    F3
            proxy2 > bob    INVITE F4
            proxy2 > alg    100    F5
            bob    > proxy2 180    F6
            proxy2 > alg    180    F7
            alg    > alice  180    F8
            bob    > proxy2 200    F9
            proxy2 > alg    200    F10
            alg    > alice  200    F11
            alice  > alg    ACK    F12
            alg    > bob    ACK    F13
            alice  > alg    BYE    F14
            alg    > bob    BYE    F15
            bob    > alg    200    F16
            alg    > alice  200    F17
        """)
        assert routes(flow["F12"]) == routes(flow["F14"]) == ["<sip:alg1.atlanta.example.com;lr>"]
        assert flow["F14"].uri_text == bob.contact


def test_3_6_redirect_and_proxy_with_sdp_in_ack(flow, alice, bob):
    """Alice makes no offer, is redirected, and answers bob's offer in the ACK."""
    proxy3 = flow.proxy("proxy3", "chicago.example.com", host="ss3.chicago.example.com")
    proxy3.targets["bob@chicago.example.com"] = [[bob.contact]]
    targets = {"bob@biloxi.example.com": "sip:bob@chicago.example.com"}
    redirect_server(flow, "redirect", targets, [BILOXI])
    call = alice.call(bob.uri, late_offer=True)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    assert alice.medias[0].direction == bob.medias[0].direction == "sendrecv"
    its.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice    > redirect INVITE F1
            redirect > alice    302    F2
            alice    > redirect ACK    F3
            alice    > proxy3   INVITE F4
            proxy3   > bob      INVITE F5
            proxy3   > alice    100    F6
            bob      > proxy3   180    F7
            proxy3   > alice    180    F8
            bob      > proxy3   200    F9
            proxy3   > alice    200    F10
            alice    > proxy3   ACK    F11
            proxy3   > bob      ACK    F12
            bob      > proxy3   BYE    F13
            proxy3   > alice    BYE    F14
            alice    > proxy3   200    F15
            proxy3   > bob      200    F16
        """)
        assert not flow["F1"].body
        assert flow["F4"].uri_text == "sip:bob@chicago.example.com"
        assert flow["F4"].call_id == flow["F1"].call_id
        assert flow["F4"].cseq.number == flow["F1"].cseq.number + 1
        assert not flow["F4"].body
        assert b"m=audio" in flow["F9"].body
        assert b"m=audio" in flow["F11"].body


def test_3_7_reinvite_with_an_address_change(flow, alice, bob, proxy2):
    """Bob moves to another address, and says so by a re-INVITE; the proxy is not in the path."""
    proxy2.record_route = False
    call = alice.call(bob.uri, proxy=proxy2)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.accept()
    flow.until_talking(call, its)
    bob.move("192.0.2.201")
    change = its.update_media()
    flow.until_state("Done", change)
    flow.run(1)
    assert alice.medias[0].remote[0] == "192.0.2.201"
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows("""
            alice  > proxy2 INVITE F1
            proxy2 > bob    INVITE F2
            proxy2 > alice  100    F3
            bob    > proxy2 180    F4
            proxy2 > alice  180    F5
            bob    > proxy2 200    F6
            proxy2 > alice  200    F7
            alice  > bob    ACK    F8
            bob    > alice  INVITE F9
            alice  > bob    200    F10
            bob    > alice  ACK    F11
            alice  > bob    BYE    F12
            bob    > alice  200    F13
        """)
        assert "Record-Route" not in flow["F2"]
        assert flow["F9"].contact.uri_text == "sip:bob@192.0.2.201:5060"
        assert b"c=IN IP4 192.0.2.201" in flow["F9"].body
        before, after = (origin(flow[label]) for label in ("F6", "F9"))
        assert after[:2] == before[:2]
        assert int(after[2]) == int(before[2]) + 1
        assert flow["F12"].uri_text == "sip:bob@192.0.2.201:5060"


def origin(message):
    """The user, session id and version of a description's o= line."""
    (line,) = (line for line in message.body.split(b"\r\n") if line.startswith(b"o="))
    return line[2:].split()[:3]


def test_3_8_no_answer(flow, alice, bob, proxy1):
    """Alice gives up while bob's phone rings."""
    call = alice.call(bob.uri, proxy=proxy1)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    call.terminate()
    flow.until_state("Terminated", call, its)
    assert call.last_error is None
    if flow.clean:
        flow.run(1)
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > proxy2 INVITE F2
            proxy1 > alice  100    F3
            proxy2 > bob    INVITE F4
            proxy2 > proxy1 100    F5
            bob    > proxy2 180    F6
            proxy2 > proxy1 180    F7
            proxy1 > alice  180    F8
            alice  > proxy1 CANCEL F9
            proxy1 > alice  200    F10
            proxy1 > proxy2 CANCEL F11
            proxy2 > proxy1 200    F12
            proxy2 > bob    CANCEL F13
            bob    > proxy2 200    F14
            bob    > proxy2 487    F15
            proxy2 > bob    ACK    F16
            proxy2 > proxy1 487    F17
            proxy1 > proxy2 ACK    F18
            proxy1 > alice  487    F19
            alice  > proxy1 ACK    F20
        """)
        invite, cancel = flow["F1"], flow["F9"]
        assert cancel.cseq.number == invite.cseq.number
        assert cancel.via.branch == invite.via.branch
        assert cancel.uri_text == invite.uri_text
        assert cancel.lines("Route") == invite.lines("Route") == [ROUTE_1]
        assert flow["F20"].lines("Route") == [ROUTE_1]
        assert flow["F15"].to.tag == flow["F6"].to.tag


def test_3_9_busy(flow, alice, bob, proxy1):
    """Bob is busy."""
    call = alice.call(bob.uri, proxy=proxy1)
    bob.incoming().reject(486)
    flow.fails(call, 486)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > proxy2 INVITE F2
            proxy1 > alice  100    F3
            proxy2 > bob    INVITE F4
            proxy2 > proxy1 100    F5
            bob    > proxy2 486    F6
            proxy2 > bob    ACK    F7
            proxy2 > proxy1 486    F8
            proxy1 > proxy2 ACK    F9
            proxy1 > alice  486    F10
            alice  > proxy1 ACK    F11
        """)
        assert flow["F11"].via.branch == flow["F1"].via.branch
        assert flow["F11"].to.tag == flow["F10"].to.tag


def test_3_10_no_response_from_user_agent(flow, alice, proxy1, proxy2):
    """Bob's phone does not answer at all; its proxy gives up, and answers 480."""
    host, _ = flow.silent("nobody")
    proxy2.targets["bob@biloxi.example.com"] = [[f"sip:bob@{host}"]]
    proxy2.timed_out = 480
    call = alice.call("sip:bob@biloxi.example.com", proxy=proxy1)
    flow.fails(call, 480)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > proxy2 INVITE F2
            proxy1 > alice  100    F3
            proxy2 > nobody INVITE F4
            proxy2 > proxy1 100    F5
            proxy2 > nobody INVITE F6
            proxy2 > nobody INVITE F7
            proxy2 > nobody INVITE F8
            proxy2 > nobody INVITE F9
            proxy2 > nobody INVITE F10
            proxy2 > nobody INVITE F11
            proxy2 > proxy1 480    F12
            proxy1 > proxy2 ACK    F13
            proxy1 > alice  480    F14
            alice  > proxy1 ACK    F15
        """)


def test_3_11_temporarily_unavailable(flow, alice, bob, proxy1):
    """Bob's phone rings, and then says that bob is not available."""
    call = alice.call(bob.uri, proxy=proxy1)
    its = bob.incoming()
    its.ring()
    flow.until_progress(call)
    its.reject(480)
    flow.fails(call, 480)
    if flow.clean:
        flow.shows("""
            alice  > proxy1 INVITE F1
            proxy1 > proxy2 INVITE F2
            proxy1 > alice  100    F3
            proxy2 > bob    INVITE F4
            proxy2 > proxy1 100    F5
            bob    > proxy2 180    F6
            proxy2 > proxy1 180    F7
            proxy1 > alice  180    F8
            bob    > proxy2 480    F9
            proxy2 > bob    ACK    F10
            proxy2 > proxy1 480    F11
            proxy1 > proxy2 ACK    F12
            proxy1 > alice  480    F13
            alice  > proxy1 ACK    F14
        """)
        assert [event.response.status for event in alice.happened(CallProgressed)] == [180]
