"""The registrations of RFC 3665 §2, flow by flow.

The figures go by TLS; these go by UDP, where messages can be lost.
"""

from __future__ import annotations

import pytest

from sipparty.sip.registering import BindingQuery
from sipparty.sip.registration import Registration

from .servers import registrar

DOMAIN = "biloxi.example.com"
MAIL = "mailto:bob@biloxi.example.com"


@pytest.fixture
def server(flow):
    return registrar(flow, "server", DOMAIN, {"bob": "zanzibar"})


@pytest.fixture
def bob(flow, server):
    bob = flow.phone("bob", DOMAIN)
    bob.knows({DOMAIN: ("bob", "zanzibar")})
    return bob


@pytest.fixture
def registration(flow, bob):
    """A registration of bob's that stands."""
    registration = Registration(bob.agent).begin()
    flow.until_state("Registered", registration)
    flow.run(1)
    return registration


NEW = """
    bob    > server REGISTER F1
    server > bob    401      F2
    bob    > server REGISTER F3
    server > bob    200      F4
"""


def same_series(flow, *labels):
    """Whether requests have one Call-ID, and CSeq numbers that rise by one."""
    messages = [flow[label] for label in labels]
    numbers = [message.cseq.number for message in messages]
    first = numbers[0]
    assert numbers == list(range(first, first + len(numbers)))
    assert len({message.call_id for message in messages}) == 1
    return True


def test_2_1_successful_new_registration(flow, bob, server, registration):
    """The server asks for credentials, and gets them."""
    (binding,) = registration.bindings
    assert binding.uri == bob.contact
    assert server.contacts(bob.uri)[0].uri == bob.contact
    assert 3500 < registration.remaining <= 3600
    if flow.clean:
        flow.shows(NEW)
        assert flow["F1"].uri_text == f"sip:{DOMAIN}"
        assert flow["F1"].to.uri_text == flow["F1"].from_.uri_text == bob.uri
        assert flow["F1"].contact.uri_text == bob.contact
        assert "Authorization" not in flow["F1"]
        assert same_series(flow, "F1", "F3")
        credentials = str(flow["F3"]["Authorization"])
        assert 'username="bob"' in credentials
        assert f'realm="{DOMAIN}"' in credentials
        assert flow["F4"].contact.parameter("expires") == "3600"


def test_2_2_update_of_contact_list(flow, bob, server):
    """Bob adds an address: his credentials go with the request, so the server does not ask.

    That he is known already comes from a query here.
    """
    query = BindingQuery(bob.agent, f"sip:{DOMAIN}")
    flow.until(lambda: query.state == "Answered")
    flow.run(1)
    assert query.bindings == ()
    registration = Registration(bob.agent, contacts=[f"<{MAIL}>"]).begin()
    flow.until_state("Registered", registration)
    assert {binding.uri for binding in registration.bindings} == {bob.contact, MAIL}
    assert {one.uri for one in server.contacts(bob.uri)} == {bob.contact, MAIL}
    if flow.clean:
        flow.shows("""
            bob    > server REGISTER
            server > bob    401
            bob    > server REGISTER F0
            server > bob    200
            bob    > server REGISTER F1
            server > bob    200      F2
        """)
        assert same_series(flow, "F0", "F1")
        assert MAIL in ", ".join(flow["F1"].lines("Contact"))
        assert "Authorization" in flow["F1"]
        assert MAIL in ", ".join(flow["F2"].lines("Contact"))


def test_2_3_request_for_current_contact_list(flow, bob, registration):
    """A REGISTER without a Contact changes nothing, and is answered with the list."""
    query = registration.fetch()
    flow.until(lambda: query.state == "Answered")
    (binding,) = query.bindings
    assert binding.uri == bob.contact
    if flow.clean:
        flow.shows(NEW, "bob > server REGISTER F5\n server > bob 200 F6")
        assert same_series(flow, "F1", "F3", "F5")
        assert "Contact" not in flow["F5"]
        assert "Expires" not in flow["F5"]
        assert flow["F6"].contact.uri_text == bob.contact


def test_2_4_cancellation_of_registration(flow, bob, server, registration):
    """Every address is removed."""
    registration.unregister(everything=True)
    flow.until_state("Terminated", registration)
    assert server.contacts(bob.uri) == []
    if flow.clean:
        flow.shows(NEW, "bob > server REGISTER F5\n server > bob 200 F6")
        assert same_series(flow, "F1", "F3", "F5")
        assert flow["F5"].lines("Contact") == ["*"]
        assert flow["F5"]["Expires"] == 0
        assert "Contact" not in flow["F6"]


def test_2_5_unsuccessful_registration(flow, bob, server):
    """The password is wrong: bob's phone does not send it again."""
    bob.knows({DOMAIN: ("bob", "wrong")})
    registration = Registration(bob.agent).begin()
    flow.until_state("Error", registration)
    assert registration.last_error.status == 401
    assert server.contacts(bob.uri) == []
    if flow.clean:
        flow.shows("""
            bob    > server REGISTER F1
            server > bob    401      F2
            bob    > server REGISTER F3
            server > bob    401      F4
        """)
        assert same_series(flow, "F1", "F3")
