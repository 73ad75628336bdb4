"""The registrar of tests, by requests that are written out (RFC 3261 §10.3)."""

import pytest

from sipparty.sip import Core, Message
from sipparty.sip.flow import FlowTable
from sipparty.testing import Registrar, SequentialTokens

PHONE = '<sip:bob@10.0.0.1>;+sip.instance="<urn:uuid:1>";reg-id='


class Site:
    """A registrar's core, with the test as its client."""

    def __init__(self, **options):
        self.core = Core(SequentialTokens("f"))
        self.registrar = Registrar(self.core, "biloxi.com", **options)
        self.flows = FlowTable("UDP", "registrar")
        self.number = 0

    def register(self, *contacts, number=None, call_id="c1", uri="sip:biloxi.com", **headers):
        """Send a REGISTER; returns the response, None for none."""
        self.number = self.number + 1 if number is None else number
        to = headers.pop("To", "<sip:bob@biloxi.com>")
        lines = [f"REGISTER {uri} SIP/2.0"]
        for via in headers.pop("Vias", ("10.0.0.1",)):
            lines.append(f"Via: SIP/2.0/UDP {via};branch=z9hG4bK{call_id}{self.number}")
        lines += [f"From: {to};tag=1", f"To: {to}", f"Call-ID: {call_id}"]
        lines += [f"CSeq: {self.number} REGISTER", "Max-Forwards: 70"]
        lines += [f"Contact: {one}" for one in contacts]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        flow = self.flows.flow(("10.0.0.9", 5060), ("10.0.0.1", 5060))
        data = "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()
        self.core.receive(data, flow, self.core.timers.now)
        sent = self.core.transmits()
        return Message.parse(sent[-1][0]) if sent else None

    def uris(self):
        return [one.uri for one in self.registrar.contacts("sip:bob@biloxi.com")]


def test_it_adds_lists_and_removes_bindings():
    site = Site()
    assert site.register("<sip:bob@10.0.0.1>;q=0.5").contact.parameters["expires"] == "3600"
    answer = site.register("<sip:bob@10.0.0.2>", Expires=60)
    assert [str(one) for one in answer.all("Contact")] == [
        "<sip:bob@10.0.0.2>;expires=60",
        "<sip:bob@10.0.0.1>;q=0.5;expires=3600",
    ]
    assert len(site.register().all("Contact")) == 2
    site.register("<sip:bob@10.0.0.2>;expires=0")
    assert site.uris() == ["sip:bob@10.0.0.1"]
    site.register("*", Expires=0)
    assert site.uris() == []


def test_a_binding_expires():
    site = Site()
    site.register("<sip:bob@10.0.0.1>;expires=60")
    site.core.at(60.0)
    assert site.uris() == []
    assert "Contact" not in site.register()


def test_it_grants_no_more_than_it_likes_and_refuses_less():
    site = Site(least=60, most=600)
    refusal = site.register("<sip:bob@10.0.0.1>;expires=59")
    assert (refusal.status, refusal["Min-Expires"]) == (423, 60)
    assert site.register("<sip:bob@10.0.0.1>;expires=60").status == 200
    assert site.register("<sip:bob@10.0.0.1>").contact.parameters["expires"] == "600"


@pytest.mark.parametrize(
    ("contacts", "headers", "status"),
    [
        (["*"], {}, 400),
        (["*", "<sip:bob@10.0.0.1>"], {"Expires": 0}, 400),
        (["<sip:bob@10.0.0.1>"], {"To": "<sip:bob@atlanta.com>"}, 404),
        (["<sip:bob@10.0.0.1>"], {"Path": "<sip:p1.com;lr>"}, 420),
    ],
)
def test_it_refuses_what_is_wrong(contacts, headers, status):
    site = Site()
    assert site.register(*contacts, **headers).status == status
    assert site.uris() == []


def test_it_takes_nothing_out_of_order():
    site = Site()
    site.register("<sip:bob@10.0.0.1>", number=5)
    assert site.register("<sip:bob@10.0.0.1>;expires=0", number=4).status == 500
    assert site.uris() == ["sip:bob@10.0.0.1"]
    assert site.register("<sip:bob@10.0.0.1>;expires=0", number=3, call_id="c2").status == 200
    assert site.uris() == []


def test_it_leaves_other_domains_to_other_roles():
    site = Site()
    assert site.register("<sip:bob@10.0.0.1>", uri="sip:atlanta.com").status == 404
    assert site.registrar.received == []


def test_it_keeps_path_and_gives_a_service_route():
    site = Site(service_route=["<sip:orig@10.0.0.9;lr>"])
    answer = site.register(
        "<sip:bob@10.0.0.1>", Supported="path", Path="<sip:p2.com;lr>, <sip:p1.com;lr>"
    )
    assert [one.uri_text for one in answer.all("Path")] == ["sip:p2.com;lr", "sip:p1.com;lr"]
    assert answer["Service-Route"].uri_text == "sip:orig@10.0.0.9;lr"
    (binding,) = site.registrar.contacts("sip:bob@biloxi.com")
    assert binding.path == ("<sip:p2.com;lr>", "<sip:p1.com;lr>")


def test_a_flow_takes_the_place_of_one_with_its_reg_id():
    site = Site(outbound=True, flow_timer=30)
    answer = site.register(f"{PHONE}1", Supported="outbound, path")
    assert answer.require == ("outbound",)
    assert answer["Flow-Timer"] == 30
    site.register(f"{PHONE}1".replace("10.0.0.1", "10.0.0.3"), Supported="outbound", call_id="c2")
    assert site.uris() == ["sip:bob@10.0.0.3"]
    site.register(f"{PHONE}2", Supported="outbound", call_id="c3")
    assert len(site.uris()) == 2


def test_a_first_hop_without_outbound_is_refused():
    site = Site(outbound=True)
    vias = ("10.0.0.7", "10.0.0.1")
    assert site.register(f"{PHONE}1", Supported="outbound", Vias=vias).status == 439
    path = "<sip:x@10.0.0.7;lr;ob>"
    answer = site.register(f"{PHONE}1", Supported="outbound, path", Vias=vias, Path=path)
    assert answer.require == ("outbound",)


def test_it_gives_gruus_to_instances():
    site = Site(gruu=True)
    answer = site.register(f"{PHONE}1", Supported="gruu")
    assert answer.contact.parameter("pub-gruu") == "sip:bob@biloxi.com;gr=urn:uuid:1"
    first = answer.contact.parameter("temp-gruu")
    assert site.register(f"{PHONE}1", Supported="gruu").contact.parameter("temp-gruu") != first
    assert site.register(f"{PHONE}1").contact.parameter("pub-gruu") is None


def test_it_misbehaves_when_it_is_asked_to():
    site = Site(accounts={"bob": "zanzibar"})
    assert site.register("<sip:bob@10.0.0.1>").status == 401
    site.registrar.script.append((503, [("Retry-After", "20")]))
    assert site.register("<sip:bob@10.0.0.1>")["Retry-After"].seconds == 20
    site.registrar.silent = True
    assert site.register("<sip:bob@10.0.0.1>") is None
    assert len(site.registrar.received) == 3
