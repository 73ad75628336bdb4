"""Parties that register, over loopback sockets."""

import asyncio

import pytest

from sipparty import (
    CallFailed,
    CallRejected,
    Engine,
    Registered,
    RegistrationLost,
    RegistrationRefreshed,
    Unregistered,
    UsageError,
)
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.testing import Registrar

PATIENCE = 10


class Home:
    """A registrar on an engine of its own."""

    def __init__(self, make_party, engine, transport, **options):
        self.party = make_party("registrar@127.0.0.1", engine=engine)
        self.party.listen(None, address="127.0.0.1", transport=transport)
        self.port = self.party.contact_uri.port
        self.aor = f"sip:bob@127.0.0.1:{self.port}"
        self.registrar = engine.run(
            lambda: Registrar(engine.core, "127.0.0.1", {"bob": "tea"}, **options)
        )

    def bound(self):
        return [one.uri for one in self.registrar.contacts("sip:bob@127.0.0.1")]


@pytest.fixture
def make_home(make_party):
    engines = []

    def make(transport="UDP", **options):
        engines.append(Engine())
        return Home(make_party, engines[-1], transport, **options)

    yield make
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_a_party_registers_is_reached_and_unregisters(make_party, make_home, events, transport):
    home = make_home(transport)
    bob = make_party(home.aor, credentials=("bob", "tea"))
    bob.listen(None, address="127.0.0.1", transport=transport)
    happened = events(bob, Registered, Unregistered)
    proxy = f"sip:127.0.0.1:{home.port};transport={transport.lower()}"
    registration = bob.register(proxy=proxy)
    assert registration.wait(PATIENCE) is registration
    assert registration.state == "Registered"
    assert bob.registration is registration
    assert happened.get(timeout=PATIENCE).registration is registration
    assert 3590 < registration.remaining <= 3600
    [uri] = home.bound()
    assert f"bob@127.0.0.1:{bob.contact_uri.port}" in uri
    assert registration.mapped_address is not None
    call = home.party.invite(uri)
    call.wait(PATIENCE)
    call.terminate()
    [found] = bob.fetch_bindings(proxy=proxy).wait(PATIENCE)
    assert found.uri == uri
    registration.unregister().wait(PATIENCE)
    assert isinstance(happened.get(timeout=PATIENCE), Unregistered)
    assert home.bound() == []
    assert bob.registration is None


def test_a_party_that_does_not_listen_is_called_back_by_its_connection(make_party, make_home):
    home = make_home("TCP")
    bob = make_party(home.aor, credentials=("bob", "tea"))
    registration = bob.register(proxy=f"sip:127.0.0.1:{home.port};transport=tcp")
    registration.wait(PATIENCE)
    [binding] = home.registrar.contacts("sip:bob@127.0.0.1")
    call = home.party.invite(binding.uri, flow=binding.flow)
    call.wait(PATIENCE)
    assert call.state == "InDialog"
    call.terminate().wait(PATIENCE)


def test_a_party_that_listens_elsewhere_is_registered_there(make_party, make_home, events):
    home = make_home()
    bob = make_party(home.aor, credentials=("bob", "tea"))
    bob.listen(None, address="127.0.0.1")
    first = bob.contact_uri.port
    registration = bob.register()
    registration.wait(PATIENCE)
    happened = events(bob, RegistrationRefreshed)
    bob.stop_listen()
    bob.listen(None, address="127.0.0.1")
    second = bob.contact_uri.port
    assert second != first
    happened.get(timeout=PATIENCE)
    assert home.bound() == [f"sip:bob@127.0.0.1:{second}"]
    home.party.invite(home.bound()[0]).wait(PATIENCE).terminate()


def test_a_call_goes_by_the_other_flow_where_the_first_is_dead(make_party, make_home):
    first, second = make_home(outbound=True), make_home(outbound=True)
    bob = make_party("sip:bob@127.0.0.1", credentials=("bob", "tea"))
    edges = [f"sip:127.0.0.1:{home.port};lr" for home in (first, second)]
    registration = bob.register("127.0.0.1", outbound=edges)
    registration.wait(PATIENCE)
    for flow in registration.flows:
        flow.waitForStateCondition(lambda state: state == "Registered", PATIENCE)
    callee = second.party
    first.party.engine.close()  # its port is refused from now on, which nobody has found out
    call = bob.invite(f"registrar@127.0.0.1:{second.port}")
    call.wait(PATIENCE)
    assert call.state == "InDialog"
    [taken] = callee.calls
    assert taken.remote.uri_text == "sip:bob@127.0.0.1"
    call.terminate().wait(PATIENCE)


def test_a_refresh_is_waited_for(make_party, make_home):
    home = make_home()
    bob = make_party(home.aor, credentials=("bob", "tea"))
    registration = bob.register().wait(PATIENCE)
    assert registration.refresh(expires=60).wait(PATIENCE).remaining <= 60
    home.party.engine.run(home.registrar.script.extend, [(503, [("Retry-After", "1000")])] * 2)
    for _ in range(2):
        with pytest.raises(CallRejected, match="answered 503"):
            registration.refresh().wait(PATIENCE)
    assert registration.refresh().wait(PATIENCE).state == "Registered"


def test_closing_a_party_unregisters_it(make_party, make_home, monkeypatch):
    home = make_home()
    bob = make_party(home.aor, credentials=("bob", "tea"))
    monkeypatch.setattr(type(bob), "CLOSE_TIMEOUT", PATIENCE)
    registration = bob.register()
    registration.wait(PATIENCE)
    assert len(home.bound()) == 1
    bob.close()
    assert registration.state == "Terminated"
    assert home.bound() == []


def test_wrong_credentials_are_an_error_in_words(make_party, make_home):
    home = make_home()
    bob = make_party(home.aor, credentials=("bob", "coffee"))
    registration = bob.register()
    with pytest.raises(CallRejected, match=r"401|password|credentials"):
        registration.wait(PATIENCE)
    assert registration.state == "Error"
    with pytest.raises(UsageError, match="refresh"):
        registration.refresh()


def test_a_registrar_that_is_not_there_is_an_error_in_words(make_party, deaf_port):
    bob = make_party(f"bob@127.0.0.1:{deaf_port}")
    registration = bob.register()
    with pytest.raises(CallFailed, match=str(deaf_port)):
        registration.wait(PATIENCE)
    assert registration.state == "Retrying"
    bob.close()
    assert registration.state == "Terminated"


def test_a_connection_that_ends_has_the_party_register_again(make_party, make_home, events):
    home = make_home("TCP")
    bob = make_party(home.aor, credentials=("bob", "tea"))
    happened = events(bob, Registered, RegistrationLost)
    registration = bob.register(proxy=f"sip:127.0.0.1:{home.port};transport=tcp")
    registration.wait(PATIENCE)
    happened.get(timeout=PATIENCE)
    [before] = home.registrar.contacts("sip:bob@127.0.0.1")
    home.party.engine.run(before.flow.endpoint.close)
    lost = happened.get(timeout=PATIENCE)
    assert isinstance(lost, RegistrationLost)
    assert "closed" in str(lost.error)
    assert isinstance(happened.get(timeout=PATIENCE), Registered)
    after = home.registrar.contacts("sip:bob@127.0.0.1")[0]
    assert after.flow is not before.flow


def test_outbound_keeps_its_flow_open(make_party, make_home):
    home = make_home("TCP", outbound=True, flow_timer=30)
    bob = make_party(home.aor, credentials=("bob", "tea"))
    edge = f"sip:127.0.0.1:{home.port};transport=tcp;lr"
    registration = bob.register(outbound=edge)
    registration.wait(PATIENCE)
    [flow] = registration.flows
    assert flow.outbound
    kept = bob.engine.run(lambda: flow._kept)
    assert kept.interval == 30
    kept.waitForStateCondition(lambda state: state == "Kept", PATIENCE)
    assert kept.flow is flow.flow
    registration.unregister().wait(PATIENCE)
    assert kept.state == "Stopped"


def test_a_plain_flow_is_kept_open_by_choice_and_its_loss_noticed(make_party, make_home, events):
    home = make_home("TCP")
    aor = f"{home.aor};transport=tcp"
    bob = make_party(aor, credentials=("bob", "tea"))
    with pytest.raises(UsageError, match="What is to be kept open"):
        bob.keep_alive()
    registration = bob.register(f"sip:127.0.0.1:{home.port};transport=tcp").wait(PATIENCE)
    kept = bob.keep_alive()
    kept.waitForStateCondition(lambda state: state == "Kept", PATIENCE)
    assert kept.flow is registration.flows[0].flow
    happened = events(bob, RegistrationLost, Registered)
    bob.engine.run(kept.hear, "broken", "the test says so")
    assert "the test says so" in str(happened.get(timeout=PATIENCE).error)
    assert isinstance(happened.get(timeout=PATIENCE), Registered)


def test_in_a_coroutine(make_home):
    home = make_home()

    async def main():
        async with NoMediaSimpleCallsParty(home.aor, credentials=("bob", "tea")) as bob:
            registration = await bob.register()
            assert registration.state == "Registered"
            assert len(await registration.fetch()) == 1
            await registration.unregister()
            assert registration.state == "Terminated"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"outbound": ()}, "There is no outbound proxy"),
        ({"contacts": "sip:bob@desk.com"}, "contacts is a list"),
        ({"expires": 3600.0}, "expires is a number of seconds"),
        ({"headers": {"Contact": "<sip:x@y.com>"}}, "Contact cannot be given as a header"),
        ({"registrar": "sip:bob@b.com"}, "names a user"),
    ],
)
def test_mistakes_are_answered_in_words(make_party, mistake, words):
    bob = make_party("bob@b.com")
    with pytest.raises((UsageError, TypeError), match=words):
        bob.register(**mistake)
    assert bob.registration is None


@pytest.mark.parametrize("wrong", ["uuid:1", "urn:uuid", 'urn:uuid:"', "urn:uuid:1>", 1])
def test_an_instance_id_is_a_urn(make_party, wrong):
    with pytest.raises((UsageError, TypeError), match="instance_id is"):
        make_party("bob@b.com", instance_id=wrong)
