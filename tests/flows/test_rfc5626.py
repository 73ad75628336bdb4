"""Outbound: the message flows of RFC 5626 §9, one after the other.

The figures go by TCP; these go by UDP, where messages can be lost. Keep-alives are the transport's,
and in no ladder here. Proxies send 100 for each INVITE, which the figures leave out.
"""

from __future__ import annotations

import pytest

from sipparty.sip.registration import Registration

from .proxy import EdgeProxy
from .servers import registrar

DOMAIN = "example.com"
EDGES = ("ep1.example.com", "ep2.example.com")


class Outbound:
    """Bob, who is registered by two edge proxies; his authoritative proxy; alice."""

    def __init__(self, flow):
        self.flow = flow
        self.bob = flow.phone("bob", DOMAIN)
        self.edges = [EdgeProxy(flow, host[:3], host=host) for host in EDGES]
        self.proxy = flow.proxy("proxy", DOMAIN, record_route=False)
        self.registrar = registrar(flow, "proxy", DOMAIN, proxy=self.proxy, outbound=True)
        self.alice = flow.phone("alice", "a.example")
        flow.network.hosts["a.example"] = self.proxy.address[0]
        self.proxy.targets[self.alice.address] = [[self.alice.contact]]
        self.proxy.targets[self.bob.address] = self.bindings
        routes = [(f"<sip:{host};lr>",) for host in EDGES]
        self.registration = Registration(self.bob.agent, routes=routes, outbound=True).begin()
        flow.until(lambda: len(self.registrar.contacts(self.bob.uri)) == 2)
        flow.until_state("Registered", self.registration)
        flow.run(5)

    def bindings(self):
        """Where bob is reached: one flow after the other, in order of reg-id."""
        contacts = self.registrar.contacts(self.bob.uri)
        return [[(one.uri, one.path)] for one in sorted(contacts, key=lambda one: one.reg_id)]


@pytest.fixture
def outbound(flow):
    return Outbound(flow)


REGISTERED = """
    bob   > ep1   REGISTER F9
    bob   > ep2   REGISTER F13
    ep1   > proxy REGISTER F10
    ep2   > proxy REGISTER F14
    proxy > ep1   200      F11
    proxy > ep2   200      F15
    ep1   > bob   200      F12
    ep2   > bob   200      F16
"""


def test_9_2_registration(flow, outbound):
    """Both flows are registered, with one instance ID and a reg-id each. Ours begin at once, where
    the figure has one after the other.
    """
    flow.until_state("Registered", *outbound.registration.flows)
    if flow.clean:
        flow.shows(REGISTERED)
        assert len(outbound.registration.bindings) == 2
        first, second = flow["F9"], flow["F13"]
        assert first.call_id != second.call_id
        assert [one.contact.parameter("reg-id") for one in (first, second)] == ["1", "2"]
        instances = {one.contact.parameter("+sip.instance") for one in (first, second)}
        assert len(instances) == 1
        assert [one.lines("Route") for one in (first, second)] == [
            ["<sip:ep1.example.com;lr>"],
            ["<sip:ep2.example.com;lr>"],
        ]
        assert {"path", "outbound"} <= set(first.supported)
        assert flow["F10"].lines("Path")[0].endswith("@ep1.example.com;lr;ob>")
        assert "outbound" in flow["F16"].require


def test_9_3_incoming_call_and_proxy_crash(flow, outbound):
    """The first edge proxy has lost its flows, and answers 430: bob is reached by the second."""
    outbound.edges[0].tokens.clear()
    call = outbound.alice.call(outbound.bob.uri)
    its = outbound.bob.incoming().accept()
    flow.until_talking(call, its)
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows(
            REGISTERED,
            """
            alice > proxy INVITE F21
            proxy > ep1   INVITE F22
            proxy > alice 100
            ep1   > proxy 430    F23
            proxy > ep1   ACK
            proxy > ep2   INVITE F24
            ep2   > bob   INVITE F25
            ep2   > proxy 100
            bob   > ep2   200    F26
            ep2   > proxy 200    F27
            proxy > alice 200    F28
            alice > ep2   ACK    F29
            ep2   > bob   ACK    F30
            alice > ep2   BYE    F31
            ep2   > bob   BYE    F32
            bob   > ep2   200    F33
            ep2   > alice 200    F34
        """,
        )
        path = flow["F14"].lines("Path")
        assert flow["F24"].lines("Route") == path
        route = path[0].replace(";ob", "")
        assert flow["F25"].lines("Record-Route") == [route]
        assert flow["F29"].lines("Route") == flow["F31"].lines("Route") == [route]


def test_9_4_re_registration(flow, outbound):
    """Bob's phone finds that the flow to the first edge proxy has failed, and registers by it
    again, with the same Call-ID and reg-id.
    """
    before = flow.now
    first = outbound.registration.flows[0]
    outbound.registration.flow_lost(first.flow, "The edge proxy does not answer.")
    flow.until(lambda: flow.now > before + 1 and first.state == "Registered", 300)
    flow.run(5)
    if flow.clean:
        flow.shows(
            REGISTERED,
            """
            bob   > ep1   REGISTER F38
            ep1   > proxy REGISTER F39
            proxy > ep1   200      F40
            ep1   > bob   200      F41
        """,
        )
        assert flow["F38"].call_id == flow["F9"].call_id
        assert flow["F38"].cseq.number == flow["F9"].cseq.number + 1
        assert flow["F38"].contact.parameter("reg-id") == "1"


def test_9_5_outgoing_call(flow, outbound):
    """Bob calls alice by his first flow: his Contact has "ob"; the edge proxy stays in between."""
    call = outbound.bob.call(outbound.alice.uri)
    its = outbound.alice.incoming().accept()
    flow.until_talking(call, its)
    call.terminate()
    flow.until_state("Terminated", call, its)
    if flow.clean:
        flow.shows(
            REGISTERED,
            """
            bob   > ep1   INVITE F42
            ep1   > proxy INVITE F43
            ep1   > bob   100
            proxy > alice INVITE F44
            proxy > ep1   100
            alice > proxy 200    F45
            proxy > ep1   200    F46
            ep1   > bob   200    F47
            bob   > ep1   ACK    F48
            ep1   > alice ACK    F49
            bob   > ep1   BYE    F50
            ep1   > alice BYE    F51
            alice > ep1   200    F52
            ep1   > bob   200    F53
        """,
        )
        assert ";ob" in flow["F42"].contact.uri_text
        assert flow["F42"].lines("Route") == ["<sip:ep1.example.com;lr>"]
        route = flow["F43"].lines("Record-Route")
        assert route[0].endswith("@ep1.example.com;lr>")
        assert flow["F48"].lines("Route") == flow["F50"].lines("Route") == route
