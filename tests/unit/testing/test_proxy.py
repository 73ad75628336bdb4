"""The proxy for tests: what it forwards, and how it misbehaves."""

import pytest

from sipparty import CallReceived, NoMediaSimpleCallsParty
from sipparty.testing import assert_ladder, expect

QUIET = NoMediaSimpleCallsParty


@pytest.fixture
def way(proxy):
    return proxy("biloxi.com")


@pytest.fixture
def bob(party, way):
    bob = party("bob@biloxi.com", QUIET)
    way.routes["bob"] = "sip:bob@10.0.0.2"
    return bob


@pytest.fixture
def alice(party, bob):
    return party("alice@atlanta.com", QUIET)


def test_it_stays_in_the_route_of_a_call(alice, bob, way):
    with alice.call("bob@biloxi.com") as call:
        his = expect(bob).called()
        expect(his).received("INVITE", {"Max-Forwards": "69", "Record-Route": ...})
    expect(his).ended(by="remote")
    assert_ladder(call, "INVITE > 180 < 200 < ACK > BYE > 200 <")
    assert_ladder(his, "INVITE < 180 > 200 > ACK < BYE < 200 >")
    assert [one.method for one in way.received] == ["INVITE", "ACK", "BYE"]


def test_or_does_not(party, bob, way):
    way.record_route = False
    with party("alice@atlanta.com", QUIET).call("bob@biloxi.com"):
        pass
    assert [one.method for one in way.received] == ["INVITE"]


def test_a_call_is_cancelled(alice, bob):
    bob.on(CallReceived, lambda event: event.call.ring())
    call = alice.invite("bob@biloxi.com")
    expect(call).ringing()
    his = expect(bob).called()
    call.terminate()
    expect(his).ended(by="remote")
    assert_ladder(call, "INVITE > 180 < CANCEL > ... 487 < ...")


def test_who_is_not_there(alice):
    expect(alice.invite("carol@biloxi.com")).refused(480)


def test_what_it_is_asked_to_answer(alice, bob, way):
    way.script.extend([(503, [("Retry-After", "9")]), None])
    call = alice.invite("bob@biloxi.com")
    expect(call).refused(503)
    expect(call).received("503", {"Retry-After": "9"})
    with alice.call("bob@biloxi.com"):
        expect(bob).called()


def test_silence(alice, way):
    way.silent = True
    expect(alice.invite("bob@biloxi.com")).ended(by="timeout", within=40)


def test_by_tcp_and_as_outbound_proxy(party, way):
    carol = party("carol@chicago.com", QUIET, listen={"transport": "TCP"})
    alice = party("alice@atlanta.com", QUIET, proxy=way.address)
    target = f"sip:carol@{carol.engine.host.name};transport=tcp"
    with alice.call(target) as call:
        expect(carol).called()
    assert_ladder(call, "INVITE > 180 < 200 < ACK > BYE > 200 <")


def test_real_sockets(sip_wire, sip_party):
    accounts, way = sip_wire.registrar("biloxi.com"), sip_wire.proxy("biloxi.com")
    alice = sip_party("alice@biloxi.com", QUIET, proxy=way.address)
    bob = sip_party("bob@biloxi.com", QUIET, proxy=accounts.address)
    registration = bob.register().wait(5)
    with alice.call("bob@biloxi.com", timeout=5):
        expect(bob).called()
    registration.unregister().wait(5)
