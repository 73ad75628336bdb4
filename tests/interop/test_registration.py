"""Registration with Kamailio, with SIPp as a registrar, and what is reached by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.errors import CallRejected
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty

from .calls import ended, first, incoming, talk
from .pbx import DOMAIN, PASSWORD, PBX
from .peer import TCP, TLS, UDP, UDP6, WSS, Transport, over, wait_for
from .sipp import SIPp

Make = Callable[..., Any]


@pytest.fixture
def user(parties: Make, transport: Transport) -> Make:
    """Makes a party with an account at the PBX. By WebSocket it cannot be connected to."""

    def make(name: str, kind: Any = NoMediaSimpleCallsParty, **options: Any) -> Any:
        carrier = "" if transport.name in ("ws", "wss") else transport.name
        options = {"credentials": (name, PASSWORD), "transport": carrier, **options}
        return parties(kind, name, **options)

    return make


EVERY = over(UDP, UDP6, TCP, TLS, WSS)


@EVERY
def test_we_register_and_are_called(pbx: Make, user: Make, transport: Transport) -> None:
    """Digest, a call each way through the registrar, and the registration removed."""
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    alice, bob = (user(name, SingleRTPSessionSimplenParty, proxy=hop) for name in ("alice", "bob"))
    calls = incoming(bob)
    registrations = [one.register(expires=60).wait(5) for one in (alice, bob)]
    assert [one.state for one in registrations] == ["Registered"] * 2
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    its = first(calls)
    talk(call, 5)
    its.terminate()
    for end in (call, its):
        ended(end)
    assert bob.registration.unregister().wait(5).state == "Terminated"
    with pytest.raises(CallRejected) as caught:
        alice.invite(f"bob@{DOMAIN}").wait(5)
    assert caught.value.status == 404


@EVERY
def test_we_register_by_outbound_through_two_edges(
    pbx: Make, user: Make, transport: Transport
) -> None:
    """RFC 5626: a flow through each edge with Path; calls come by the one that is left, too."""
    office: PBX = pbx(transports=[transport.name], edges=2)
    edges = [office.uri(transport.name, edge) for edge in (0, 1)]
    alice = user("alice", proxy=office.uri(transport.name))
    bob = user("bob", SingleRTPSessionSimplenParty)
    calls = incoming(bob)
    registration = bob.register(DOMAIN, expires=60, outbound=edges)
    registration.wait(5)
    wait_for(lambda: all(one.stands for one in registration.flows), "both flows stand")
    assert all(one.outbound for one in registration.flows)
    assert len(registration.path) == 1
    for edge in ("edge0", "edge1"):
        call = alice.invite(f"bob@{DOMAIN}").wait(5)
        its = wait_for(lambda: calls and calls.pop(), "a call came")
        call.terminate()
        for end in (call, its):
            ended(end)
        if edge == "edge0":
            office.kill(edge)


@over(UDP, TCP, WSS)
def test_a_public_gruu_leads_to_one_instance(pbx: Make, user: Make, transport: Transport) -> None:
    """RFC 5627: it is called by alice, and is the Contact of what bob sends."""
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    alice, bob = (user(name, proxy=hop) for name in ("alice", "bob"))
    calls = incoming(bob)
    registration = bob.register(expires=60, gruu="public").wait(5)
    assert registration.public_gruu is not None
    call = alice.invite(registration.public_gruu).wait(5)
    its = first(calls)
    call.terminate()
    for end in (call, its):
        ended(end)


@over(UDP, TCP, WSS)
def test_the_registrar_restarts(pbx: Make, user: Make, transport: Transport) -> None:
    """It knows nobody any more, and refuses the nonce that it gave before; a refresh mends both."""
    office: PBX = pbx(transports=[transport.name])
    alice, bob = (user(name, proxy=office.uri(transport.name)) for name in ("alice", "bob"))
    calls = incoming(bob)
    registration = bob.register(expires=60).wait(5)
    office.kill()
    office.start()
    office.wait_until_ready()
    registration.refresh()
    wait_for(lambda: len(bob.fetch_bindings().wait(5)) == 1, "it stands again")
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    its = first(calls)
    call.terminate()
    for end in (call, its):
        ended(end)


@over(UDP, TCP)
def test_who_else_is_registered(pbx: Make, user: Make, transport: Transport) -> None:
    """RFC 3261 §10.2.2, §10.2.3: the bindings are fetched, and all are removed."""
    office: PBX = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    desk, cell = (user("bob", proxy=hop) for _ in range(2))
    desk.register(expires=60, q=0.5).wait(5)
    cell.register(expires=60, contacts=["<sip:bob@192.0.2.9>;q=0.1"]).wait(5)
    assert len(desk.fetch_bindings().wait(5)) == 3
    desk.registration.unregister(everything=True).wait(5)
    assert cell.fetch_bindings().wait(5) == ()


# ---------------------------------------------------------------- SIPp is the registrar


BRIEF = {"STATUS": 423, "REASON": "Interval Too Brief", "MORE": "Min-Expires: 1800"}
LATER = {"STATUS": 503, "REASON": "Service Unavailable", "MORE": "Retry-After: 1"}


@over(UDP, TCP)
@pytest.mark.parametrize(
    "refusal",
    [{**BRIEF, "IN": "Expires:", "WANTED": "1800"}, {**LATER, "IN": "CSeq:", "WANTED": "REGISTER"}],
    ids=["423", "503"],
)
def test_a_registrar_that_asks_for_things(
    sipp: SIPp, parties: Make, refusal: dict[str, object]
) -> None:
    """A password, then a longer time or patience; a refresh, and the end, with one Call-ID."""
    run = sipp.answer("uas_registrar", EXPIRES=2, **refusal)
    alice = parties(NoMediaSimpleCallsParty, credentials={"sipp.example": ("alice", "wonderland")})
    registration = alice.register(expires=600, proxy=run.uri())
    wait_for(lambda: registration.state == "Registered", "it stands", 5)
    assert registration.service_route
    wait_for(lambda: registration.remaining > 30, "it is refreshed")
    assert registration.unregister().wait(5).state == "Terminated"
    run.finish()


@over(UDP, TCP)
def test_a_registrar_that_sends_us_to_another(sipp: SIPp, parties: Make, pbx: Make) -> None:
    office: PBX = pbx(transports=["tcp"])
    run = sipp.answer("uas_moved", METHOD="REGISTER", TARGET=office.uri("tcp"))
    alice = parties(NoMediaSimpleCallsParty, credentials=("alice", PASSWORD))
    assert alice.register(run.uri("").replace("@", ""), expires=60).wait(5).state == "Registered"
    run.finish()
