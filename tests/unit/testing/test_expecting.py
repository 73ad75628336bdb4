"""Expectations of calls and parties: what passes, and what failures say."""

import re

import pytest

from sipparty import CallReceived, NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.testing import expect

QUIET = NoMediaSimpleCallsParty


@pytest.fixture
def two(party):
    return party("alice@atlanta.com", QUIET), party("bob@biloxi.com", QUIET)


def refusing(bob, status=486):
    bob.on(CallReceived, lambda event: event.call.reject(status))


def failure(expected, *args, **options):
    with pytest.raises(AssertionError) as caught:
        expected(*args, **options)
    return str(caught.value)


class TestACall:
    def test_from_ringing_to_its_end(self, party):
        alice, bob = party("alice@atlanta.com"), party("bob@biloxi.com")
        bob.on(CallReceived, lambda event: event.call.ring())
        call = alice.invite(bob)
        assert expect(call).ringing() is call
        his = expect(bob).called()
        his.accept()
        expect(call).answered()
        his.hold()
        expect(call).held()
        his.terminate()
        expect(call).ended(by="remote")
        assert expect(his).ended("local") is his
        expect(call).answered()  # it was

    def test_a_refusal(self, two):
        alice, bob = two
        refusing(bob)
        call = alice.invite(bob)
        expect(call).refused()
        expect(call).refused(486)
        text = failure(expect(call).answered)
        assert text.startswith("alice's call was not answered: 486 Busy Here.")
        assert "failed             Error" in text
        assert "not refused with 603: 486 Busy Here." in failure(expect(call).refused, 603)

    def test_what_does_not_come_takes_its_time(self, two, sip_network):
        alice, bob = two
        bob.on(CallReceived, lambda event: event.call.ring())
        call = alice.invite(bob)
        text = failure(expect(call).answered, within=7)
        assert text.startswith("alice's call was not answered within 7 s: it is at 180 Ringing.")
        assert sip_network.now == pytest.approx(7)
        call.terminate().wait(5)

    def test_what_cannot_come_any_more_is_not_waited_for(self, two, sip_network):
        alice, bob = two
        refusing(bob)
        failure(expect(alice.invite(bob)).answered, within=1000)
        assert sip_network.now < 1

    def test_the_moment_is_not_missed(self, two, sip_network):
        alice, bob = two

        @bob.on(CallReceived)
        def later(event):
            sip_network.sleep(100)
            event.call.accept()

        call = alice.invite(bob, expires=170)
        expect(call).answered(within=150)
        assert sip_network.now == pytest.approx(100.02, abs=0.001)
        call.terminate().wait(5)

    def test_it_was_not_ended_by_whom_it_should(self, two):
        alice, bob = two
        call = alice.invite(bob).wait(5)
        call.terminate()
        text = failure(expect(call).ended, by="remote")
        assert text.startswith("alice's call was not ended by 'remote': The call was ended here.")


class TestAParty:
    def test_calls_in_their_order(self, two):
        alice, bob = two
        first, second = alice.invite(bob), alice.invite(bob)
        calls = expect(bob).called(), expect(bob).called()
        assert [call.call_id for call in calls] == [first.call_id, second.call_id]
        expect(bob).not_called(within=1)
        for call in (first, second):
            call.terminate().wait(5)

    def test_nobody_calls(self, two):
        _, bob = two
        assert failure(expect(bob).called) == "Nobody called sip:bob@biloxi.com within 2 s."

    def test_somebody_calls_who_should_not(self, two):
        alice, bob = two
        refusing(bob)
        alice.invite(bob)
        text = failure(expect(bob).not_called)
        assert text.startswith("sip:alice@atlanta.com called sip:bob@biloxi.com.")

    def test_a_request_outside_of_calls(self, two):
        alice, bob = two
        alice.message(bob, "Lunch?")
        expect(bob).received("MESSAGE", {"Content-Type": re.compile("text/plain")}, body="Lunch?")
        expect(alice).received("4xx")  # nobody takes it


class TestMessages:
    def test_what_they_have(self, two):
        alice, bob = two
        call = alice.invite(bob, headers={"Subject": "lunch", "X-Cost": "12"})
        costly = lambda text: int(text) > 10  # noqa: E731
        wanted = {"Subject": "lunch", "X-Cost": costly, "Via": ..., "Path": None}
        invite = expect(expect(bob).called()).received("INVITE", wanted)
        assert invite["Subject"] == "lunch"
        assert expect(call).received("200 INVITE").status == 200
        call.terminate()
        expect(call).sent("BYE")

    def test_what_the_nearest_has_otherwise(self, two):
        alice, bob = two
        call = alice.invite(bob, headers={"Subject": "the report"}).wait(5)
        wanted = {"Subject": "lunch", "X-Cost": re.compile(r"\d"), "Via": None}
        lines = failure(expect(call).sent, "INVITE", wanted).split("\n")
        assert lines[0] == "No INVITE with what is asked for was sent within 2 s; it has:"
        assert lines[1].startswith("  INVITE sip:bob@biloxi.com SIP/2.0")
        assert lines[2] == "    Subject is 'the report', expected 'lunch'"
        assert lines[3] == r"    X-Cost is missing, expected what has '\\d'"
        assert lines[4].startswith("    Via is 'SIP/2.0/UDP 10.0.0.1")
        assert "expected none" in lines[4]
        call.terminate().wait(5)

    def test_what_did_not_come_at_all(self, two):
        alice, bob = two
        refusing(bob)
        call = alice.invite(bob)
        text = failure(expect(call).received, "200")
        assert text.startswith("No 200 was received within 2 s. What came:\n  --> INVITE\n  <--")

    def test_session_descriptions(self, party):
        alice, bob = party("alice@atlanta.com"), party("bob@biloxi.com")
        call = alice.invite(bob)
        invite = {"audio": {"codecs": ["PCMU", "PCMA"], "address": "10.0.0.1"}, "video": None}
        expect(call).sent("INVITE", sdp=invite)
        expect(call).answered()
        his = expect(bob).called()
        his.hold()
        expect(call).received("INVITE", sdp={"audio": {"direction": "sendonly"}})
        text = failure(
            expect(call).sent, "INVITE", sdp={"audio": {"codecs": ["opus"]}, "video": {}}
        )
        assert "audio: codecs is ['PCMU', 'PCMA'], expected ['opus']" in text
        assert "video is missing or refused" in text
        with pytest.raises(UsageError, match="'colour' is nothing that a stream has"):
            expect(call).sent("INVITE", sdp={"audio": {"colour": "blue"}})
        call.terminate().wait(5)


class TestOthers:
    def test_a_registration(self, party, registrar):
        registrar("biloxi.com", {"bob": "zanzibar"})
        bob = party("bob@biloxi.com", QUIET, credentials=("bob", "zanzibar"))
        registration = bob.register()
        assert expect(registration).reached("Registered") is registration
        with pytest.raises(UsageError, match="There is no state 'Regged'"):
            expect(registration).reached("Regged")
        registration.unregister().wait(5)

    def test_a_wrong_password(self, party, registrar):
        registrar("biloxi.com", {"bob": "zanzibar"})
        bob = party("bob@biloxi.com", QUIET, credentials=("bob", "guess"))
        text = failure(expect(bob.register()).reached, "Registered")
        assert "bob's Registration did not get to Registered" in text
        assert "the password is wrong" in text

    def test_a_request(self, two):
        alice, bob = two
        assert expect(alice.options(bob)).answered().status == 200
        text = failure(expect(alice.options(bob)).answered, 404)
        assert text == "The OPTIONS was answered 200 OK, expected 404 Not Found."
        text = failure(expect(alice.options("nobody@10.0.9.9")).answered)
        assert text == "The OPTIONS was not answered within 2 s."

    def test_something_else(self):
        with pytest.raises(TypeError, match="expect\\(\\) takes a call"):
            expect("bob")


async def test_a_coroutine_awaits_it(party):
    alice, bob = party("alice@atlanta.com", QUIET), party("bob@biloxi.com", QUIET)
    call = alice.invite(bob)
    await expect(call).answered()
    his = await expect(bob).called()
    await expect(his).received("INVITE")
    with pytest.raises(AssertionError, match="bob's call did not end within 3 s"):
        await expect(his).ended(within=3)
    await call.terminate()


async def test_real_parties_are_awaited_too(sip_party):
    alice, bob = sip_party("alice@atlanta.com", QUIET), sip_party("bob@biloxi.com", QUIET)
    call = alice.invite(bob)
    await expect(call).answered()
    his = await expect(bob).called()
    call.terminate()
    await expect(his).ended(by="remote")
