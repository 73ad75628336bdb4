"""Registrations over several flows (RFC 5626), and GRUUs (RFC 5627)."""

import pytest

from sipparty.sip import Flow, Request
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import NextHop

from .registering import AOR, PHONE, REGISTRAR, SECOND, Site

EDGES = (("<sip:10.0.0.5;lr>",), ("<sip:10.0.0.6;lr>",))
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"


class TestFlows:
    def site(self, **options):
        options.setdefault("accounts", None)
        options.setdefault("outbound", True)
        site = Site(**options)
        site.agent.instance_id = INSTANCE
        return site

    def both(self, site, **options):
        registration = site.register(outbound=True, routes=EDGES, **options)
        site.run(lambda: all(one.state == "Registered" for one in registration.flows))
        return registration

    def test_each_has_a_reg_id_and_a_call_id_of_its_own(self):
        site = self.site()
        registration = self.both(site)
        first, second = site.requests()
        assert first.call_id != second.call_id
        for number, request in enumerate((first, second), 1):
            assert request.contact.parameter("+sip.instance") == f"<{INSTANCE}>"
            assert f'+sip.instance="<{INSTANCE}>"' in str(request.contact)
            assert request.contact.parameter("reg-id") == str(number)
            assert {"outbound", "path", "gruu"} <= set(request.supported)
            assert request["Route"].uri_text == f"sip:10.0.0.{4 + number};lr"
        assert {item.destination for item in site.network.log if item.source == PHONE} == {
            REGISTRAR,
            SECOND,
        }
        found = site.registrar.contacts(AOR)
        assert {one.reg_id for one in found} == {"1", "2"}
        assert all(flow.outbound for flow in registration.flows)
        assert site.names() == ["Registered", "RegistrationRefreshed"]
        registration.unregister()
        site.over()
        assert site.bound() == []

    def test_they_are_kept_open_as_flow_timer_asks(self):
        site = self.site(flow_timer=40)
        registration = self.both(site)
        assert [one.interval for one in site.kept] == [40, 40]
        assert [one.flow for one in site.kept] == [one.flow for one in registration.flows]
        registration.refresh()
        site.pass_(1)
        assert len(site.kept) == 2
        registration.unregister()
        site.over()
        assert all(one.stopped for one in site.kept)

    def test_a_plain_registration_is_not_kept_open(self):
        site = self.site(flow_timer=40)
        registration = site.registered()
        assert site.kept == []
        assert "reg-id" not in str(site.registrar.received[-1].contact)
        registration.unregister()
        site.over()

    @pytest.mark.parametrize(("said", "seconds"), [(None, None), (1, 5), (9999, 3600)])
    def test_flow_timer_is_within_reason(self, said, seconds):
        site = self.site(flow_timer=said)
        registration = self.both(site)
        assert site.kept[0].interval == seconds
        registration.unregister()
        site.over()

    def test_one_that_is_lost_is_formed_anew_while_the_other_stands(self):
        site = self.site()
        registration = self.both(site)
        site.network.log.clear()
        site.happened.clear()
        first, _ = registration.flows
        kept = site.kept[0]
        site.core.at(site.now)
        registration.flow_lost(first.flow, "the other side does not answer")
        assert kept.stopped
        assert registration.state == "Registered"
        assert first.state == "Sending"
        site.run(lambda: first.state == "Registered")
        [request] = site.requests()
        assert request.contact.parameter("reg-id") == "1"
        assert site.names() == ["RegistrationRefreshed"]
        assert len(site.registrar.contacts(AOR)) == 2
        registration.unregister()
        site.over()

    def test_its_reg_id_takes_the_place_of_the_contact_before(self):
        site = self.site()
        registration = site.registered(outbound=True)
        site.core.at(site.now)
        site.agent.advertise = lambda agent, flow: ("203.0.113.7", 5060)
        registration.flow_lost(registration.flows[0].flow, "it is gone")
        site.run(lambda: registration.state == "Registered")
        [request] = site.requests()
        assert len(request.all("Contact")) == 1
        assert site.bound() == ["sip:bob@203.0.113.7:5060"]
        registration.unregister()
        site.over()

    def test_one_that_fails_is_tried_after_a_longer_time_while_the_other_stands(self):
        site = self.site()
        registration = self.both(site, expires=600)
        cut = site.network.partition([REGISTRAR])
        first, second = registration.flows
        site.run(lambda: first.state == "BackingOff")
        assert registration.state == "Registered"
        # RFC 5626 §4.5: base-time 90 s, twice that for one failure, of it 50 to 100 %.
        assert 90 <= first.delay <= 180
        site.network.partition([SECOND])
        site.run(lambda: registration.state == "Retrying")
        assert 30 <= second.delay <= 60
        site.network.heal()
        assert cut
        site.run(lambda: registration.state == "Registered")
        registration.unregister()
        site.over()

    def test_requests_go_by_the_first_that_stands(self):
        site = self.site()
        registration = self.both(site)
        assert site.agent.registration.route.preload((), "sip:alice@atlanta.com")[0] == EDGES[0]
        site.core.at(site.now)
        registration.flows[0].hear("drop")
        routes, hop, endpoint = registration.route.preload((), "sip:alice@atlanta.com")
        assert routes == EDGES[1]
        assert (hop.host, hop.port, hop.transport) == ("10.0.0.6", 5060, "UDP")
        assert endpoint == "phone"
        registration.unregister()
        site.over()

    def test_a_request_that_fails_goes_by_the_other(self):
        site = self.site(service_route=["<sip:orig@biloxi.com;lr>"])
        registration = self.both(site)
        site.core.at(site.now)
        request = Request("OPTIONS", "sip:alice@atlanta.com")
        hop = NextHop.of("sip:atlanta.com")
        sent = send_out_of_dialog(site.agent, request, hop)
        assert [(one.host, one.port) for one in sent.next_hop.alternatives] == [SECOND]
        made = sent.user.build_request(sent, registration.flows[0].flow)
        assert [one.uri_text for one in made.all("Route")] == [
            "sip:10.0.0.5;lr",
            "sip:orig@biloxi.com;lr",
        ]
        made = sent.user.build_request(sent, registration.flows[1].flow)
        assert [one.uri_text for one in made.all("Route")] == [
            "sip:10.0.0.6;lr",
            "sip:orig@biloxi.com;lr",
        ]
        site.run(lambda: sent.finished)
        site.core.at(site.now)
        registration.flow_lost(registration.flows[0].flow, "it is gone")
        made = sent.user.build_request(sent, registration.flows[1].flow)
        assert [one.uri_text for one in made.all("Route")] == [
            "sip:10.0.0.6;lr",
            "sip:orig@biloxi.com;lr",
        ]
        registration.unregister()
        site.over()

    def test_a_route_of_the_programs_own_is_left_whatever_flow_it_takes(self):
        site = self.site()
        registration = self.both(site)
        route, flow = registration.route, registration.flows[1].flow
        assert route.rerouted(("<sip:10.0.0.9;lr>",), flow) == ("<sip:10.0.0.9;lr>",)
        assert route.rerouted((), flow) == ()
        assert route.rerouted(EDGES[1], flow) == EDGES[1]
        assert route.rerouted(EDGES[0], flow.to(("10.0.0.9", 5060))) == EDGES[0]
        registration.unregister()
        site.over()

    def test_their_contact_has_ob(self):
        site = self.site()
        registration = self.both(site)
        flow = registration.flows[0].flow
        assert site.agent.contact(flow) == "<sip:bob@10.0.0.1:5060;ob>"
        assert ";ob" not in str(site.registrar.received[-1].contact)
        assert site.agent.contact(flow, True) == "<sips:bob@10.0.0.1:5060>"
        by_tcp = Flow("TCP", flow.local, flow.remote, "phone")
        assert site.agent.contact(by_tcp) == "<sip:bob@10.0.0.1:5060;transport=tcp>"
        elsewhere = Flow("UDP", ("10.0.0.2", 5060), flow.remote, "phone")
        assert site.agent.contact(elsewhere) == "<sip:bob@10.0.0.2:5060>"
        registration.unregister()
        site.over()
        assert site.agent.contact(flow) == "<sip:bob@10.0.0.1:5060>"

    def test_a_registrar_without_outbound_has_one_flow(self):
        site = self.site(outbound=False)
        registration = site.register(outbound=True, routes=EDGES)
        site.run(lambda: registration.flows[1].state == "Over")
        assert "knows no outbound" in str(registration.flows[1].error)
        assert registration.state == "Registered"
        assert not registration.flows[0].outbound
        assert site.kept == []
        registration.unregister()
        site.over()
        assert registration.state == "Terminated"

    def test_a_first_hop_without_outbound_is_registered_at_plainly(self):
        site = self.site()
        site.registrar.script.append((439, []))
        registration = site.register(outbound=True)
        site.run(lambda: registration.state == "Registered")
        asked, again = site.requests()
        assert asked.contact.parameter("reg-id") == "1"
        assert again.contact.parameter("reg-id") is None
        assert again.contact.parameter("+sip.instance") == f"<{INSTANCE}>"
        registration.unregister()
        site.over()

    def test_an_instance_id_is_made_up_once(self):
        site = self.site()
        site.agent.instance_id = None
        registration = site.registered(outbound=True)
        made = site.agent.instance_id
        assert made.startswith("urn:uuid:")
        assert made[22:24] == "-4"
        assert made[28] in "89ab"
        assert len(made) == len(INSTANCE)
        registration.unregister()
        site.over()
        registration = site.registered(outbound=True)
        assert site.agent.instance_id == made
        registration.unregister()
        site.over()

    def test_a_flow_that_is_refused_for_good_leaves_the_other(self):
        site = self.site()
        site.registrar.script.append((403, []))
        registration = site.register(outbound=True, routes=EDGES)
        site.run(lambda: registration.state == "Registered")
        assert sorted(one.state for one in registration.flows) == ["Over", "Registered"]
        registration.unregister()
        site.over()
        assert registration.state == "Terminated"

    def test_all_flows_refused_for_good_is_the_end(self):
        site = self.site()
        site.registrar.script += [(403, []), (403, [])]
        registration = site.register(outbound=True, routes=EDGES)
        site.over()
        assert registration.state == "Error"
        assert registration.last_error.status == 403


class TestGRUU:
    @pytest.mark.parametrize(
        ("kind", "contact"),
        [
            ("public", f"<sip:bob@biloxi.com;gr={INSTANCE}>"),
            ("temporary", "<sip:tgruu.1@biloxi.com;gr>"),
            (None, "<sip:bob@10.0.0.1:5060>"),
        ],
    )
    def test_they_are_read_and_used_where_that_is_asked_for(self, kind, contact):
        site = Site(gruu=True)
        site.agent.instance_id = INSTANCE
        registration = site.registered(gruu=kind)
        assert registration.public_gruu == f"sip:bob@biloxi.com;gr={INSTANCE}"
        assert registration.temporary_gruu == "sip:tgruu.1@biloxi.com;gr"
        flow = registration.flows[0].flow
        assert site.agent.contact(flow) == contact
        assert registration.contact == "<sip:bob@10.0.0.1:5060>"
        registration.unregister()
        site.over()
        assert registration.public_gruu is None
        assert site.agent.contact(flow) == "<sip:bob@10.0.0.1:5060>"

    def test_a_registrar_without_gives_none(self):
        site = Site()
        registration = site.registered(gruu="public")
        assert registration.public_gruu is registration.temporary_gruu is None
        assert site.agent.contact(registration.flows[0].flow) == "<sip:bob@10.0.0.1:5060>"
        registration.unregister()
        site.over()

    def test_a_temporary_one_is_renewed(self):
        site = Site(gruu=True)
        registration = site.registered(gruu="temporary")
        flow = registration.flows[0].flow
        assert "tgruu.1@" in site.agent.contact(flow)
        registration.refresh()
        site.pass_(1)
        assert "tgruu.2@" in site.agent.contact(flow)
        registration.unregister()
        site.over()

    def test_without_an_instance_nothing_is_said_of_it(self):
        site = Site(gruu=True)
        registration = site.registered()
        assert "sip.instance" not in str(site.registrar.received[-1])
        assert registration.public_gruu is None
        registration.unregister()
        site.over()
