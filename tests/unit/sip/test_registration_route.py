"""Requests of a registered user agent: Service-Route (RFC 3608), Path (RFC 3327), the Contact, and
registering from behind a NAT.
"""

import pytest

from sipparty.errors import CallFailed
from sipparty.sip import Message, Request, SimpleCall
from sipparty.sip.notification.forming import Asked
from sipparty.sip.notification.package import find_package
from sipparty.sip.notification.subscriber import Subscription
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.registration import Registration
from sipparty.sip.routing import NextHop

from .registering import Site

SERVICE = ["<sip:10.0.0.6;lr>", "<sip:hsp.biloxi.com;lr>"]
PROXY = "<sip:10.0.0.5;lr>"


def uris(message, name="Route"):
    return [one.uri_text for one in message.all(name)]


class TestServiceRoute:
    def ended(self, site, registration):
        registration.unregister()
        site.over()

    def call(self, site, **options):
        site.core.at(site.now)
        site.network.log.clear()
        call = SimpleCall(site.agent)
        call.invite("sip:alice@biloxi.com", **options)
        site.run(lambda: any(one.method == "INVITE" for one in site.requests()))
        [item] = [one for one in site.network.log if one.data.startswith(b"INVITE")]
        call.terminate()
        return Message.parse(item.data), item.destination

    def test_calls_take_it(self):
        site = Site(service_route=SERVICE)
        registration = site.registered()
        assert registration.service_route == tuple(SERVICE)
        invite, where = self.call(site)
        assert uris(invite) == ["sip:10.0.0.6;lr", "sip:hsp.biloxi.com;lr"]
        assert where == ("10.0.0.6", 5060)
        self.ended(site, registration)
        assert registration.service_route == ()
        invite, where = self.call(site)
        assert uris(invite) == []
        assert where == ("10.0.0.5", 5060)
        site.over()

    def test_it_comes_after_the_outbound_proxy(self):
        site = Site(service_route=SERVICE)
        registration = site.registered(routes=[(PROXY,)])
        for routes in ((), (PROXY,)):
            invite, where = self.call(site, routes=routes)
            assert uris(invite) == ["sip:10.0.0.5;lr", "sip:10.0.0.6;lr", "sip:hsp.biloxi.com;lr"]
            assert where == ("10.0.0.5", 5060)
        self.ended(site, registration)

    def test_an_outbound_proxy_is_not_named_twice(self):
        site = Site(service_route=["<sip:orig@10.0.0.5;lr>", "<sip:hsp.biloxi.com;lr>"])
        registration = site.registered(routes=[(PROXY,)])
        invite, _ = self.call(site)
        assert uris(invite) == ["sip:orig@10.0.0.5;lr", "sip:hsp.biloxi.com;lr"]
        self.ended(site, registration)

    def test_a_route_of_the_programs_own_stands(self):
        site = Site(service_route=SERVICE)
        registration = site.registered()
        invite, _ = self.call(site, routes=("<sip:10.0.0.5:5080;lr>",))
        assert uris(invite) == ["sip:10.0.0.5:5080;lr"]
        invite, where = self.call(site, next_hop=NextHop("10.0.0.5", 5080))
        assert uris(invite) == []
        assert where == ("10.0.0.5", 5080)
        self.ended(site, registration)

    def test_requests_outside_of_dialogs_take_it_but_for_register(self):
        site = Site(service_route=SERVICE)
        registration = site.registered()
        for method, routes in (("OPTIONS", 2), ("REGISTER", 0)):
            site.core.at(site.now)
            site.network.log.clear()
            request = Request(method, "sip:biloxi.com")
            sent = send_out_of_dialog(site.agent, request, NextHop.of("sip:biloxi.com"))
            site.run(lambda sent=sent: sent.finished)
            assert len(uris(site.requests()[0])) == routes
        self.ended(site, registration)

    def test_subscriptions_take_it(self):
        site = Site(service_route=SERVICE, outbound=True)
        registration = site.registered(outbound=True)
        site.core.at(site.now)
        site.network.log.clear()
        subscription = Subscription(site.agent, find_package("x", "text/plain"))
        subscription.subscribe(Asked("sip:alice@biloxi.com"), 60)
        site.run(lambda: site.requests())
        [item] = [one for one in site.network.log if one.data.startswith(b"SUBSCRIBE")][:1]
        subscribe = Message.parse(item.data)
        assert uris(subscribe) == ["sip:10.0.0.6;lr", "sip:hsp.biloxi.com;lr"]
        assert item.destination == ("10.0.0.6", 5060)
        assert subscribe.contact.uri_text == "sip:bob@10.0.0.1:5060;ob"
        site.run(lambda: subscription.state == "Error")
        self.ended(site, registration)

    def test_a_refresh_without_one_clears_it(self):
        site = Site(service_route=SERVICE)
        registration = site.registered()
        site.registrar.service_route = ()
        registration.refresh()
        site.pass_(1)
        assert registration.service_route == ()
        invite, _ = self.call(site)
        assert uris(invite) == []
        self.ended(site, registration)

    def test_a_lost_registration_has_none(self):
        site = Site(service_route=SERVICE)
        registration = site.registered(expires=600)
        site.registrar.silent = True
        site.run(lambda: registration.state == "Retrying")
        assert registration.service_route == ()
        assert registration.route.preload((), "sip:a@b.com") == ((), None, None)
        registration.unregister()
        site.over()

    @pytest.mark.parametrize("route", ["<mailto:a@b.com>", "<sip:>", "(("])
    def test_one_that_cannot_be_followed_is_not(self, wire, route):
        agent = wire.agent()
        registration = Registration(agent).begin()
        answer = wire.answer(wire.one(), 200, contact=None, headers=[("X-Route", route)])
        wire.receive(answer.replace(b"X-Route", b"Service-Route"))
        assert registration.state == "Registered"
        assert registration.service_route == ()
        registration.give_up(CallFailed("The test is over."))
        wire.over()


def test_path_is_said_to_be_known_and_can_be_read(wire):
    agent = wire.agent()
    registration = Registration(agent).begin()
    request = wire.one()
    assert "path" in request.supported
    path = "<sip:p3.biloxi.com;lr>, <sip:p1.biloxi.com;lr>"
    wire.receive(wire.answer(request, 200, contact=None, headers=[("Path", path)]))
    assert registration.path == ("<sip:p3.biloxi.com;lr>", "<sip:p1.biloxi.com;lr>")
    registration.give_up(CallFailed("The test is over."))
    assert registration.path == ()
    wire.over()


class TestBehindNAT:
    OUTSIDE = b";received=203.0.113.9;rport=41000"

    def answer(self, wire, request, seconds=3600):
        contact = f"{request.contact};expires={seconds}"
        answer = wire.answer(request, 200, contact=contact)
        assert b";rport" in answer
        return answer.replace(b";rport", self.OUTSIDE, 1)

    def test_the_mapped_address_is_told(self, wire):
        agent = wire.agent()
        registration = Registration(agent).begin()
        assert registration.mapped_address is None
        wire.receive(self.answer(wire, wire.one()))
        assert registration.mapped_address == ("203.0.113.9", 41000)
        assert wire.sent() == []
        assert registration.contact == "<sip:bob@10.0.0.1:5060>"
        registration.give_up(CallFailed("The test is over."))
        wire.over()

    @pytest.mark.parametrize(
        ("said", "seen"),
        [
            (b";received=203.0.113.9", ("203.0.113.9", 5060)),
            (b";rport=41000", ("10.0.0.1", 41000)),
            (b";received=203.0.113.9;rport=" + b"9" * 5000, ("203.0.113.9", 5060)),
            (";received=203.0.113.9;rport=²".encode(), ("203.0.113.9", 5060)),
            (b"", ("10.0.0.1", 5060)),
        ],
    )
    def test_a_via_that_says_less_or_nonsense(self, wire, said, seen):
        agent = wire.agent()
        registration = Registration(agent).begin()
        answer = wire.answer(wire.one(), 200).replace(b";rport", said, 1)
        wire.receive(answer)
        assert registration.mapped_address == seen
        registration.give_up(CallFailed("The test is over."))
        wire.over()

    def test_it_is_registered_by_choice(self, wire):
        agent = wire.agent()
        registration = Registration(agent, use_mapped_address=True).begin()
        wire.receive(self.answer(wire, wire.one()))
        again = wire.one()
        assert [str(one) for one in again.all("Contact")] == [
            "<sip:bob@203.0.113.9:41000>",
            "<sip:bob@10.0.0.1:5060>;expires=0",
        ]
        wire.receive(self.answer(wire, again))
        assert registration.state == "Registered"
        assert registration.contact == "<sip:bob@203.0.113.9:41000>"
        assert wire.sent() == []
        _, invite = wire.invite(agent)
        assert str(invite.contact) == "<sip:bob@203.0.113.9:41000>"
        registration.give_up(CallFailed("The test is over."))

    def test_a_nat_that_changes_it_each_time_is_not_chased(self, wire):
        agent = wire.agent()
        registration = Registration(agent, use_mapped_address=True).begin()
        wire.receive(self.answer(wire, wire.one()))
        second = self.answer(wire, wire.one()).replace(b"41000", b"41001")
        wire.receive(second)
        assert wire.sent() == []
        assert registration.state == "Registered"
        registration.give_up(CallFailed("The test is over."))
        wire.over()

    def test_calls_to_it_find_the_agent(self, wire):
        agent = wire.agent()
        other = wire.agent("sip:carol@biloxi.com")
        registration = Registration(agent, use_mapped_address=True).begin()
        wire.receive(self.answer(wire, wire.one()))
        wire.receive(self.answer(wire, wire.one()))
        wire.receive(wire.request("OPTIONS", "sip:bob@203.0.113.9:41000"))
        assert wire.one().status == 200
        wire.receive(
            wire.request("OPTIONS", "sip:bob@203.0.113.8:41000", branch="z9hG4bK2", call_id="c2")
        )
        assert wire.one().status == 404
        assert other.registration is None
        registration.give_up(CallFailed("The test is over."))
        wire.over()
