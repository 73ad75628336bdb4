"""Registration at one registrar (RFC 3261 §10.2)."""

from itertools import pairwise

import pytest

from sipparty.errors import (
    CallFailed,
    CallRejected,
    CallTimedOut,
    ParseError,
    UnexpectedInput,
    UsageError,
)
from sipparty.sip.auth import Trust
from sipparty.sip.registration import Registration, RegistrationEvent

from .registering import AOR, OTHER_PORT, PHONE, REGISTRAR, Site


def test_a_party_registers_with_digest_and_unregisters():
    site = Site()
    registration = site.register()
    assert registration.state == "Registering"
    site.run(lambda: registration.state == "Registered")
    first, second = site.requests()
    assert first.uri_text == "sip:biloxi.com"
    assert first.to.uri_text == first["From"].uri_text == AOR
    assert first.contact.uri_text == "sip:bob@10.0.0.1:5060"
    assert first["Expires"] == 3600
    assert second["Authorization"]
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    assert site.said() == ["REGISTER", 401, "REGISTER", 200]
    assert site.bound() == ["sip:bob@10.0.0.1:5060"]
    assert [one.uri for one in registration.bindings] == site.bound()
    assert registration.remaining == 3600
    assert registration.contact == "<sip:bob@10.0.0.1:5060>"
    assert registration.unregister() is registration
    assert registration.state == "Unregistering"
    site.over()
    assert registration.state == "Terminated"
    assert registration.remaining == 0
    assert registration.bindings == ()
    assert site.bound() == []
    assert site.names() == ["Registered", "Unregistered"]
    last = site.requests()[-1]
    assert (last.contact.uri_text, last["Expires"]) == ("sip:bob@10.0.0.1:5060", 0)
    assert last.call_id == first.call_id


def test_it_is_refreshed_before_it_expires_with_one_call_id_and_rising_cseq():
    site = Site()
    registration = site.registered(expires=200)
    begun = site.now
    site.run(lambda: len(site.happened) == 3)
    requests = site.requests()
    assert len(requests) == 3  # the nonce is remembered
    assert len({one.call_id for one in requests}) == 1
    numbers = [one.cseq.number for one in requests]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert site.names() == ["RegistrationRefreshed"] * 3
    # RFC 5627 §4.2: 32 s before, at the least, and not always at the same time.
    times = [time for time, _ in site.happened]
    gaps = [b - a for a, b in pairwise([begun, *times])]
    assert all(0.8 * 168 - 1 < gap < 168.2 for gap in gaps)
    assert len(set(gaps)) > 1
    assert registration.state == "Registered"
    registration.unregister()
    site.over()


def test_a_short_time_is_refreshed_half_way():
    site = Site(most=40)
    registration = site.registered()
    assert registration.remaining <= 40
    flow = registration.flows[0]
    assert 16 <= flow.refresh_in <= 20
    registration.unregister()
    site.over()


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("Contact: <sip:bob@10.0.0.1:5060>;expires=100\r\n", 100),
        ("Contact: <sip:carol@10.0.0.1>;expires=9, <sip:bob@10.0.0.1:5060>;expires=100\r\n", 100),
        ("Contact: <sip:BOB@10.0.0.1:5060>;expires=9\r\nExpires: 200\r\n", 200),
        ("Contact: <sip:%62ob@10.0.0.1:5060>;expires=120\r\n", 120),
        ("Contact: <sip:bob@10.0.0.1:5060>\r\nExpires: 300\r\n", 300),
        ("Contact: <sip:bob@10.0.0.1:5060>;expires=soon\r\n", 3600),
        ("Contact: ((\r\n", 500),
        ("", 500),
    ],
)
def test_the_lifetime_is_that_of_the_own_contact(wire, lines, seconds):
    agent = wire.agent()
    registration = Registration(agent, expires=500).begin()
    request = wire.one()
    answer = wire.answer(request, 200, contact=None).replace(
        b"Content-Length", lines.encode() + b"Content-Length"
    )
    wire.receive(answer)
    assert registration.state == "Registered"
    assert registration.remaining == seconds
    registration.give_up(CallFailed("The test is over."))
    wire.over()


def test_423_is_answered_with_what_it_asks_and_that_is_remembered():
    site = Site(least=1800, accounts=None)
    registration = site.register(expires=600)
    site.run(lambda: registration.state == "Registered")
    assert site.said() == ["REGISTER", 423, "REGISTER", 200]
    assert [one["Expires"] for one in site.requests()] == [600, 1800]
    assert registration.remaining == 1800
    site.network.log.clear()
    site.run(lambda: site.requests())
    assert site.requests()[0]["Expires"] == 1800
    registration.unregister()
    site.over()


def test_several_contacts_with_q():
    site = Site()
    registration = site.registered(contacts=["<sip:bob@cell.com>;q=0.2", "sip:bob@desk.com"], q=0.7)
    assert site.bound() == ["sip:bob@desk.com", "sip:bob@10.0.0.1:5060", "sip:bob@cell.com"]
    assert [one.q for one in registration.bindings] == [None, 0.7, 0.2]
    registration.unregister()
    site.over()
    assert site.bound() == []


def test_a_contact_of_its_own_time():
    site = Site(accounts=None)
    registration = site.registered(
        contacts=["sip:bob@desk.com;transport=tcp", "<sip:bob@cell.com>;expires=300;q=0.1"]
    )
    times = {one.uri: one.expires for one in registration.bindings}
    assert times == {
        "sip:bob@10.0.0.1:5060": 3600,
        "sip:bob@desk.com;transport=tcp": 3600,
        "sip:bob@cell.com": 300,
    }
    assert 290 < registration.remaining <= 300
    registration.unregister()
    site.over()
    assert site.bound() == []


@pytest.mark.parametrize("contact", ["", "bob", "<sip:bob@desk.com", "*"])
def test_what_is_no_contact(contact):
    site = Site()
    with pytest.raises(ParseError):
        site.register(contacts=[contact])
    assert not site.agent.services


def test_bindings_are_fetched_and_all_of_them_removed():
    site = Site()
    registration = site.registered()
    query = registration.fetch()
    site.run(lambda: query.state != "Waiting")
    (request,) = site.requests()
    assert "Contact" not in request
    assert "Expires" not in request
    assert [one.uri for one in query.wait()] == ["sip:bob@10.0.0.1:5060"]
    assert 3590 < query.bindings[0].expires <= 3600
    registration.unregister(everything=True)
    site.over()
    last = site.requests()[-1]
    assert (str(last.contact), last["Expires"]) == ("*", 0)
    assert site.bound() == []


def test_a_query_that_fails_says_why():
    site = Site(password=None)
    registration = site.register()
    query = registration.fetch()
    site.run(lambda: query.state == "Failed")
    with pytest.raises(CallRejected, match=r"401 Unauthorized\. Give the party credentials"):
        query.wait()
    site.over()


@pytest.mark.parametrize("status", [400, 403, 404, 501, 505, 513, 555, 600, 603])
def test_what_is_refused_for_good_ends_in_error(status):
    site = Site(accounts=None)
    site.registrar.script.append((status, []))
    registration = site.register()
    site.over()
    assert registration.state == "Error"
    assert registration.last_error.status == status
    assert str(status) in str(registration.last_error)
    assert "sip:biloxi.com" in str(registration.last_error)
    assert site.names() == ["RegistrationFailed"]
    with pytest.raises(CallRejected):
        registration.wait()


@pytest.mark.parametrize("status", [408, 430, 480, 491, 500, 502, 504, 580, 599])
def test_what_may_pass_is_tried_again(status):
    site = Site(accounts=None)
    site.registrar.script.append((status, []))
    registration = site.register()
    site.run(lambda: site.happened)
    assert registration.state == "Retrying"
    assert registration.last_error.status == status
    site.run(lambda: registration.state == "Registered")
    assert site.names() == ["RegistrationDelayed", "Registered"]
    registration.unregister()
    site.over()


def test_what_says_when_is_tried_again_whatever_it_is():
    site = Site(accounts=None)
    site.registrar.script.append((403, [("Retry-After", "5")]))
    registration = site.register()
    site.run(lambda: registration.state == "Registered", max_time=6)
    registration.unregister()
    site.over()


def test_a_redirection_that_is_not_followed_is_the_end():
    site = Site(accounts=None)
    site.agent.follow_redirects = 0
    site.registrar.script.append((302, [("Contact", "<sip:biloxi.com:5080>")]))
    registration = site.register()
    site.over()
    assert "answered 302" in str(registration.last_error)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_wrong_credentials_end_in_error(password):
    site = Site(password=password)
    registration = site.register()
    site.over()
    assert registration.state == "Error"
    assert registration.last_error.status == 401
    assert site.names() == ["RegistrationFailed"]


def test_a_silent_registrar_is_tried_again_after_longer_and_longer():
    site = Site()
    site.registrar.silent = True
    registration = site.register()
    site.run(lambda: len(site.happened) == 8, max_time=20_000)
    assert registration.state == "Retrying"
    assert isinstance(registration.last_error, CallTimedOut)
    with pytest.raises(CallTimedOut, match=r"10\.0\.0\.5:5060 did not answer within 32 s"):
        registration.wait()
    times = [time for time, _ in site.happened]
    assert times[0] == pytest.approx(32)
    waits = [b - a - 32 for a, b in pairwise(times)]
    # RFC 5626 §4.5: 50 to 100 % of 30 s doubled each time, 1800 s at the most.
    for number, wait in enumerate(waits, 1):
        bound = min(1800, 30 * 2**number)
        assert bound / 2 - 0.1 <= wait <= bound + 0.1
    assert set(site.names()) == {"RegistrationDelayed"}
    site.registrar.silent = False
    site.run(lambda: registration.state == "Registered")
    assert registration.last_error is None
    assert registration.flows[0].failures == 0
    registration.unregister()
    site.over()


def test_a_registrar_that_falls_silent_loses_the_registration():
    site = Site()
    registration = site.registered(expires=600)
    site.registrar.silent = True
    site.run(lambda: registration.state == "Retrying")
    assert site.names() == ["RegistrationLost"]
    assert registration.remaining == 0
    site.registrar.silent = False
    site.run(lambda: registration.state == "Registered")
    assert site.names() == ["RegistrationLost", "Registered"]
    registration.unregister()
    site.over()


def test_a_registrar_that_was_started_again_gets_new_credentials():
    site = Site()
    registration = site.registered(expires=600)
    site.registrar.restart()
    assert site.bound() == []
    site.run(lambda: site.happened)
    assert site.said() == ["REGISTER", 401, "REGISTER", 200]
    assert site.names() == ["RegistrationRefreshed"]
    assert site.bound() == ["sip:bob@10.0.0.1:5060"]
    registration.unregister()
    site.over()


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [([("Retry-After", "20")], 20, 22), ([("Retry-After", "0")], 0, 0.1), ([], 30, 60)],
)
def test_503_is_waited_out(headers, least, most):
    site = Site(accounts=None)
    site.registrar.script.append((503, headers))
    registration = site.register()
    site.run(lambda: site.happened)
    assert site.names() == ["RegistrationDelayed"]
    refused = site.now
    site.run(lambda: registration.state == "Registered")
    assert least <= site.now - refused - 0.1 <= most + 0.1
    registration.unregister()
    site.over()


def test_retry_after_0_is_at_once_only_once():
    site = Site(accounts=None)
    site.registrar.script += [(503, [("Retry-After", "0")])] * 3
    registration = site.register()
    site.run(lambda: registration.state == "Registered", max_time=1000)
    assert len(site.requests()) == 4
    assert site.now > 60 + 30
    registration.unregister()
    site.over()


def test_a_redirection_is_followed_and_so_are_refreshes():
    site = Site(accounts=None)
    site.registrar.script.append((302, [("Contact", "<sip:biloxi.com:5080>")]))
    registration = site.register(expires=600)
    site.run(lambda: registration.state == "Registered")
    assert [one.uri_text for one in site.requests()][1:] == ["sip:biloxi.com:5080"]
    site.network.log.clear()
    site.run(lambda: "RegistrationRefreshed" in site.names())
    (refresh,) = site.requests()
    assert refresh.uri_text == "sip:biloxi.com:5080"
    assert {item.destination for item in site.network.log} <= {PHONE, OTHER_PORT}
    registration.unregister()
    site.over()


def test_a_time_of_nothing_is_a_failure():
    site = Site(accounts=None)
    site.registrar.script.append((200, [("Contact", "<sip:bob@10.0.0.1:5060>;expires=0")]))
    registration = site.register()
    site.run(lambda: site.happened)
    assert registration.state == "Retrying"
    assert "no time at all" in str(registration.last_error)
    registration.unregister()
    site.over()


def test_a_flow_that_is_lost_is_formed_anew_at_once():
    site = Site()
    registration = site.registered()
    flow = registration.flows[0].flow
    site.core.transport_failed(flow, "the other side closed the connection", site.now)
    site.network.wake(site.core)
    assert registration.state == "Retrying"
    assert "the other side closed the connection" in str(registration.last_error)
    site.run(lambda: registration.state == "Registered")
    assert site.names() == ["RegistrationLost", "Registered"]
    assert len(site.requests()) == 1
    registration.unregister()
    site.over()
    assert not flow.dependents


def test_a_flow_that_is_lost_each_time_is_not_formed_at_once_for_ever():
    site = Site(accounts=None)
    registration = site.registered()
    [flow] = registration.flows
    end = site.now + 600
    while site.now < end:
        site.run(lambda: flow.state == "Registered")
        site.core.transport_failed(flow.flow, "the other side closed the connection", site.now)
        site.network.wake(site.core)
    assert 10 <= len(site.requests()) <= 40
    site.run(lambda: flow.state == "Registered")
    assert flow.failures == 0
    assert site.names().count("RegistrationLost") == len(site.requests())
    registration.unregister()
    site.over()


def test_a_flow_that_is_lost_during_a_refresh_is_formed_anew():
    site = Site()
    registration = site.registered()
    registration.refresh()
    site.network.wake(site.core)
    site.core.transport_failed(registration.flows[0].flow, "it is gone", site.now)
    site.run(lambda: registration.state == "Registered")
    assert site.names() == ["RegistrationLost", "Registered"]
    registration.unregister()
    site.over()


def test_a_keep_alive_that_loses_the_flow_has_it_registered_again():
    site = Site()
    registration = site.registered()
    site.core.at(site.now)
    registration.flow_lost(registration.flows[0].flow, "the other side does not answer")
    site.network.wake(site.core)
    site.run(lambda: registration.state == "Registered")
    assert site.names() == ["RegistrationLost", "Registered"]
    registration.unregister()
    site.over()


def test_another_address_is_registered_and_the_one_before_removed():
    site = Site()
    registration = site.registered()
    site.core.at(site.now)
    site.agent.advertise = lambda agent, flow: ("203.0.113.7", 5060)
    site.agent.moved()
    site.network.wake(site.core)
    site.run(lambda: site.happened)
    (request,) = site.requests()
    assert [str(one) for one in request.all("Contact")] == [
        "<sip:bob@203.0.113.7:5060>",
        "<sip:bob@10.0.0.1:5060>;expires=0",
    ]
    assert site.bound() == ["sip:bob@203.0.113.7:5060"]
    assert registration.contact == "<sip:bob@203.0.113.7:5060>"
    site.agent.moved()
    assert not site.core.transmits()
    registration.unregister()
    site.over()


@pytest.mark.parametrize("seed", range(5))
def test_registering_ends_the_same_with_loss(seed):
    site = Site(loss=0.1, seed=seed)
    registration = site.register(expires=600)
    site.run(3000.0)
    registration.unregister()
    site.over()
    assert registration.state == "Terminated"
    assert site.names()[0] == "Registered"
    assert site.names()[-1] == "Unregistered"


# ---------------------------------------------------------------- ending


def test_unregistering_while_the_first_answer_is_out_removes_what_it_made():
    site = Site(accounts=None)
    registration = site.register()
    site.pass_(0.01)
    registration.unregister()
    site.over()
    assert registration.state == "Terminated"
    assert site.said() == ["REGISTER", 200, "REGISTER", 200]
    assert site.bound() == []


def test_unregistering_before_the_challenge_answers_it_no_more():
    site = Site()
    registration = site.register()
    site.pass_(0.01)
    registration.unregister()
    site.over()
    assert registration.state == "Terminated"
    assert [one["Expires"] for one in site.requests()] == [3600, 0, 0]
    assert site.bound() == []


def test_unregistering_while_a_refresh_is_out():
    site = Site()
    registration = site.registered()
    registration.refresh()
    site.pass_(0.01)
    registration.unregister()
    site.over()
    assert site.bound() == []
    assert registration.state == "Terminated"


def test_unregistering_at_a_silent_registrar_ends_in_time():
    site = Site()
    registration = site.registered()
    site.registrar.silent = True
    registration.unregister()
    site.run(lambda: registration.state == "Terminated", max_time=65)
    assert site.names() == ["Unregistered"]
    site.over()


def test_unregistering_between_attempts():
    site = Site()
    site.registrar.silent = True
    registration = site.register()
    site.run(lambda: registration.state == "Retrying")
    registration.unregister()
    site.run(lambda: registration.state == "Terminated", max_time=65)
    site.over()


def test_giving_up_leaves_nothing():
    site = Site()
    registration = site.registered()
    registration.give_up(CallFailed("The engine was closed."))
    assert registration.state == "Error"
    site.over()
    assert site.names() == ["RegistrationFailed"]


def test_terminate_is_the_input_that_ends_it():
    site = Site()
    registration = site.registered()
    assert registration in site.agent.services
    assert registration.takes("terminate")
    registration.hit("terminate")
    site.over()
    assert site.bound() == []


# ---------------------------------------------------------------- mistakes


def test_one_registration_at_a_registrar():
    site = Site()
    registration = site.registered()
    with pytest.raises(UsageError, match=r"has a registration at sip:biloxi\.com already"):
        site.register()
    registration.unregister()
    site.over()
    again = site.register()
    site.run(lambda: again.state == "Registered")
    assert site.requests()[-1].call_id == registration.flows[0]._series.call_id
    again.unregister()
    site.over()


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": 0},
        {"expires": "3600"},
        {"q": 2},
        {"gruu": "both"},
        {"registrar": "sip:bob@biloxi.com"},
    ],
)
def test_mistakes_are_answered_where_they_are_made(wrong):
    site = Site()
    with pytest.raises(UsageError):
        site.register(**wrong)
    assert not site.agent.services
    assert site.core.idle()


def test_two_registrars():
    site = Site(accounts=None)
    first = site.registered()
    second = site.registered("sip:biloxi.com:5080")
    assert set(site.agent.services) == {first, second}
    assert site.agent.registration is first
    first.unregister()
    site.run(lambda: first.state == "Terminated")
    assert site.agent.registration is second
    second.unregister()
    site.over()


def test_another_time_is_asked_for():
    site = Site(accounts=None)
    registration = site.registered()
    for wrong in (0, 2**32, "60", 1.5):
        with pytest.raises(UsageError, match="expires is a number of seconds"):
            registration.refresh(expires=wrong)
    registration.refresh(expires=60)
    site.pass_(1)
    assert site.requests()[-1]["Expires"] == 60
    assert registration.remaining <= 60
    registration.unregister()
    site.over()


@pytest.mark.parametrize("first", [True, False])
def test_a_refresh_during_another_one_follows_it(first):
    site = Site(accounts=None)
    if first:
        registration = site.register()
    else:
        registration = site.registered()
        registration.refresh()
    site.pass_(0.01)
    registration.refresh(expires=60)
    registration.refresh()
    site.pass_(1)
    assert [one["Expires"] for one in site.requests()] == [3600, 60]
    assert registration.remaining <= 60
    registration.unregister()
    site.over()


@pytest.mark.parametrize("status", [200, 500, 403])
def test_a_refresh_that_follows_another_request_is_waited_for(status):
    site = Site(accounts=None)
    registration = site.register()
    site.pass_(0.01)
    if status != 200:
        site.registrar.script.extend([None, (status, [])])
    registration.refresh(expires=60)
    site.run(lambda: registration.state == "Registered")
    assert not registration.settled("Registered")
    site.run(lambda: registration.settled(registration.state))
    assert [one["Expires"] for one in site.requests()] == [3600, 60]
    state = {200: "Registered", 500: "Retrying", 403: "Error"}[status]
    assert registration.state == state
    if status != 403:
        registration.unregister()
    site.over()


def test_what_is_being_ended_is_not_ended_otherwise():
    site = Site(accounts=None)
    registration = site.registered()
    registration.unregister()
    with pytest.raises(UnexpectedInput):
        registration.unregister(everything=True)
    site.over()
    assert "*" not in [str(one.contact) for one in site.requests()]


def test_an_address_that_changes_during_a_refresh_is_registered_after_it():
    site = Site(accounts=None)
    registration = site.registered()
    registration.refresh()
    site.pass_(0.01)
    site.agent.advertise = lambda agent, flow: ("203.0.113.7", 5060)
    site.agent.moved()
    site.pass_(1)
    assert site.bound() == ["sip:bob@203.0.113.7:5060"]
    registration.unregister()
    site.over()


def test_a_refresh_does_not_wait_for_the_next_attempt():
    site = Site(accounts=None)
    site.registrar.script.append((503, [("Retry-After", "3000")]))
    registration = site.register()
    site.run(lambda: registration.state == "Retrying")
    registration.refresh()
    site.run(lambda: registration.state == "Registered", max_time=1)
    registration.unregister()
    site.over()


def test_what_is_registered_is_supported_from_then_on():
    site = Site(accounts=None)
    assert "path" not in site.agent.supported
    registration = site.registered()
    assert "path" in site.agent.supported
    assert "outbound" not in site.agent.supported
    assert any("path" in line for _, _, line in site.agent.capability_fields)
    registration.unregister()
    site.over()


def test_a_keep_alive_that_comes_too_late_is_stopped():
    site = Site(accounts=None)
    registration = site.registered()
    [flow] = registration.flows
    registration.unregister()
    site.over()

    class Kept:
        stopped = False

        def stop(self):
            self.stopped = True

    kept = Kept()
    flow.keep_alive_started(kept)
    assert kept.stopped


@pytest.mark.parametrize("registrar", ["", "sip:", "mailto:x", "sip:a b", "[::1"])
def test_a_registrar_that_is_none(registrar):
    site = Site()
    with pytest.raises(ParseError):
        site.register(registrar)
    assert not site.agent.services


def test_a_registration_that_is_over_is_not_refreshed():
    site = Site()
    registration = site.registered()
    registration.unregister()
    with pytest.raises(UsageError, match="refresh"):
        registration.refresh()
    site.over()


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        (None, "sip:biloxi.com"),
        ("10.0.0.5", "sip:10.0.0.5"),
        ("10.0.0.5:5080", "sip:10.0.0.5:5080"),
        ("2001:db8::1", "sip:[2001:db8::1]"),
        ("[2001:db8::1]:5080", "sip:[2001:db8::1]:5080"),
        ("sip:biloxi.com;transport=tcp", "sip:biloxi.com;transport=tcp"),
    ],
)
def test_the_registrar_is_the_domain_or_what_is_given(given, uri):
    site = Site()
    registration = site.register(given)
    assert registration.registrar == uri
    registration.give_up(CallFailed("The test is over."))
    site.over()


def test_a_registrar_that_the_program_names_gets_credentials_wherever_it_is():
    site = Site(aor="sip:bob@chicago.com")
    site.agent.digest.trust = Trust(["chicago.com"])
    registration = site.register("sip:biloxi.com")
    site.over()
    assert site.said() == ["REGISTER", 401, "REGISTER", 404]  # the domain is not its own
    assert registration.last_error.status == 404


def test_a_secure_address_is_registered_securely():
    site = Site(aor="sips:bob@biloxi.com")
    registration = site.register()
    assert registration.registrar == "sips:biloxi.com"
    site.pass_(1)
    [request] = site.requests()[:1]
    assert request.contact.uri_text.startswith("sips:bob@10.0.0.1")
    registration.give_up(CallFailed("The test is over."))
    registration = site.register("10.0.0.5")
    assert registration.registrar == "sips:10.0.0.5"
    registration.give_up(CallFailed("The test is over."))
    site.over()


def test_the_address_of_a_registrar_elsewhere_gets_credentials():
    site = Site(aor="sip:bob@biloxi.com")
    registration = site.register("sip:biloxi.com:5080")
    site.run(lambda: registration.state == "Registered")
    assert {item.destination for item in site.network.log} == {PHONE, OTHER_PORT}
    assert REGISTRAR not in {item.destination for item in site.network.log}
    registration.unregister()
    site.over()


def test_its_events_are_a_stream_that_ends_with_it():
    site = Site(accounts=None)
    site.core.at(site.now)
    registration = Registration(site.agent)
    seen = []
    registration.on(RegistrationEvent, seen.append)
    stream = registration.events()
    registration.begin()
    site.run(lambda: registration.state == "Registered")
    registration.unregister()
    site.over()
    for event in site.reported:
        for handler in registration.handlers_of(event):
            handler(event)
    assert [type(event).__name__ for event in stream] == ["Registered", "Unregistered"]
    assert [event.topic for event in seen] == [id(registration)] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, None),
        ("silence", "did not answer within 32 s."),
        ((503, []), "answered 503"),
        ((423, []), "answered 423"),
        ((503, [("Retry-After", "1000")]), "The registrar sip:biloxi.com did not answer within 32"),
    ],
)
def test_a_removal_that_is_not_confirmed_says_why(answer, said):
    site = Site(accounts=None)
    registration = site.registered()
    site.agent.retry_wait = 2000
    site.registrar.silent = answer == "silence"
    if isinstance(answer, tuple):
        site.registrar.script.append(answer)
    registration.unregister()
    site.run(lambda: registration.state == "Terminated")
    error = site.reported[-1].error
    assert (error is None) is (said is None)
    assert said is None or said in str(error)
    assert registration.wait() is registration
    site.over()


def test_a_removal_before_the_first_answer_says_why_it_was_not_confirmed():
    site = Site(accounts=None)
    site.registrar.silent = True
    registration = site.register()
    site.pass_(20)
    registration.unregister()
    site.run(lambda: registration.state == "Terminated")
    assert "did not answer" in str(site.reported[-1].error)
    site.over()
