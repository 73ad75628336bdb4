"""Roles on one transaction layer (RFC 3261 §6, §16.11): a stateless proxy, and user agents."""

import pytest

from sipparty.sip import Flow, Message, Request
from sipparty.sip.grammar import split_list
from sipparty.sip.values import Via

HERE, ALICE, BOB = ("10.0.0.1", 5060), ("10.0.0.9", 5060), ("10.0.0.7", 5060)


class StatelessForwarder:
    """Forwards what is for one domain to one place, and keeps nothing (RFC 3261 §16.11).

    Args:
        core: The core whose role it is.
        domain: The host part of the Request-URIs that it forwards.
        flow: The way to those who serve the domain.
    """

    def __init__(self, core, domain, flow):
        self.core, self.domain, self.flow = core, domain, flow

    def request(self, transaction):
        request = transaction.request
        if request.uri.host.address != self.domain:
            return False
        if request.max_forwards == 0:
            transaction.answer(483)  # §16.3
            return True
        transaction.release()
        return self._forward(request)

    def ack(self, request, flow):
        return request.uri.host.address == self.domain and self._forward(request)

    def cancel(self, transaction, invite):
        return invite is None and self.request(transaction)  # what it cancels is not known here

    def _forward(self, request):
        forwarded = Request.of(
            request.method, request.uri_text, list(request._fields), request.body
        )
        forwarded["Max-Forwards"] = (request.max_forwards or 70) - 1
        facts = request.facts
        # The same branch for the same request each time: that of the Via below, made one of ours.
        branch = "z9hG4bK" + self.core.tokens.tag_of(facts.branch or "", facts.host)
        self.core.transactions.put_via(forwarded, self.flow, branch)
        self.core.transmit((bytes(forwarded), self.flow))
        return True

    def stray_response(self, response, flow):
        vias = [one for line in response.lines("Via") for one in split_list(line)]
        if len(vias) < 2 or Via.parse(vias[0]).sent_by != "10.0.0.1:5060":
            return False  # §16.7: nobody below it, or not one that went by here
        below = Via.parse(vias[1])
        response["Via"] = vias[1:]
        # §18.2.2, RFC 3581 §4: to where the request came from.
        remote = below.received or below.host, int(below.rport or below.port or 5060)
        back = Flow(flow.transport, HERE, remote, flow.endpoint)
        self.core.transmit((bytes(response), back))
        return True


@pytest.fixture
def role(wire):
    role = StatelessForwarder(wire.core, "biloxi.com", Flow("UDP", HERE, BOB, "endpoint"))
    wire.core.roles.insert(0, role)
    return role


def forwarded(wire):
    message, flow = wire.way()
    return message, flow.remote


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "NEW"])
def test_a_request_and_its_response_go_by(wire, role, method):
    wire.receive(wire.request(method, via="SIP/2.0/UDP pc.atlanta.com;branch=z9hG4bK1;rport"))
    request, to = forwarded(wire)
    assert (request.method, to, request.max_forwards) == (method, BOB, 69)
    ours, alices = [Via.parse(line) for line in request.lines("Via")]
    assert (ours.sent_by, alices.received, alices.rport) == ("10.0.0.1:5060", "10.0.0.9", "5060")
    assert wire.core.idle()
    if method == "ACK":
        return
    for status in (180, 200):
        wire.receive(request.response(status, to_tag="b1"), role.flow)
        response, to = forwarded(wire)
        assert (response.status, to, response.lines("Via")) == (status, ALICE, [str(alices)])
    assert wire.core.idle()
    assert wire.core.counters["stray_responses"] == 0


def test_what_comes_again_is_forwarded_again_with_the_same_branch(wire, role):
    invite = wire.request("INVITE")
    wire.receive(invite)
    wire.receive(invite)
    first, second = wire.sent()
    assert first == second
    wire.receive(wire.request("INVITE", branch="z9hG4bK2"))
    assert wire.one().via.branch != first.via.branch


def test_a_response_that_did_not_go_by_here_is_dropped(wire, role):
    wire.receive(wire.request("INVITE"))
    response = wire.one().response(200, to_tag="b1")
    for vias in (["SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1"], ["SIP/2.0/UDP else", "SIP/2.0/UDP x"]):
        response["Via"] = vias
        wire.receive(response)
    assert wire.sent() == []
    assert wire.core.counters["stray_responses"] == 2


def test_what_is_not_its_own_is_the_user_agents(wire, role):
    agent = wire.agent("sip:carol@10.0.0.1")
    wire.receive(wire.request("OPTIONS", "sip:carol@10.0.0.1"))
    wire.receive(wire.request("OPTIONS", "sip:dave@10.0.0.1", branch="z9hG4bK2", call_id="c2"))
    assert wire.starts() == [200, 404]
    call = wire.invited(uri="sip:carol@10.0.0.1", branch="z9hG4bK3", call_id="c3")
    assert call in agent.dialogs
    cancel = wire.request("CANCEL", "sip:carol@10.0.0.1", branch="z9hG4bK3", call_id="c3")
    wire.receive(cancel)
    assert wire.starts() == [200, 487]


def test_a_hop_too_many_is_refused(wire, role):
    wire.receive(wire.request("INVITE").replace(b"Max-Forwards: 70", b"Max-Forwards: 0"))
    assert wire.starts() == [483]


def test_without_any_role_a_request_is_nobodys(wire):
    wire.core.roles.clear()
    wire.receive(wire.request("OPTIONS"))
    assert wire.starts() == [404]
    wire.receive(wire.request("ACK", branch="z9hG4bK2"))
    assert wire.core.counters["stray_acks"] == 1


class Forwarding:
    """Who forwards a request with state: hears of its responses (RFC 3261 §16.7)."""

    def __init__(self):
        self.heard = []

    def response_received(self, response):
        self.heard.append(response.status)

    def transaction_over(self):
        pass


def test_a_request_with_vias_has_responses_with_as_many(wire):
    """RFC 3261 §8.1.3.3: a response with more Vias than its request had is for somebody else."""
    core, user = wire.core, Forwarding()
    for vias in (1, 0):
        request = Message.parse(wire.request("OPTIONS"))
        if not vias:
            del request["Via"]
        core.transactions.request(request, Flow("UDP", HERE, BOB, "endpoint"), user)
        sent = wire.one()
        for lines in ([sent.lines("Via")[0]], [sent.lines("Via")[0], "SIP/2.0/UDP x"]):
            response = sent.response(200 + vias, to_tag="b1")
            response["Via"] = lines
            wire.receive(response)
    assert user.heard == [201, 200]
    assert core.counters["stray_responses"] == 2
