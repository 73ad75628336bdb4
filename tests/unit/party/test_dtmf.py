"""Keys in calls between two parties on this machine, in every way."""

import asyncio

import pytest

from sipparty import AudioParty, CallFailed, CallReceived, MediaError, UsageError
from sipparty.media import DigitEnded, DigitReceived, ToneSource
from sipparty.sip.info import InfoReceived

QUICK = {"duration": 0.05, "gap": 0.05}


@pytest.fixture
def calling():
    """Calls between two parties; gives both ends."""
    parties = []

    def call(media=None, theirs=None, on_bob=lambda bob: None):
        bob = AudioParty("bob@127.0.0.1", media=media or {} if theirs is None else theirs)
        alice = AudioParty("alice@127.0.0.1", media=media or {})
        parties.extend((alice, bob))
        on_bob(bob)
        received = []

        @bob.on(CallReceived)
        def accept(event):
            received.append(event.call)
            event.call.accept()

        mine = alice.invite(bob.listen(0, address="127.0.0.1")).wait(10)
        return mine, received[0].wait(10)

    yield call
    for party in parties:
        party.close()


@pytest.mark.parametrize(
    ("media", "method", "wanted"),
    [
        ({}, None, "rtp"),
        ({"dtmf": False}, None, "info"),
        ({"dtmf": False, "inband_dtmf": True}, "inband", "inband"),
        ({}, "info", "info"),
    ],
)
def test_keys_are_sent_and_gathered(calling, media, method, wanted):
    events = []

    def note(event):
        events.append(event)

    note.immediate = True  # before who gathers has the digit

    def listen(bob):
        bob.on(DigitReceived, note)
        bob.on(DigitEnded, note)

    mine, its = calling(media, on_bob=listen)
    gathering = its.gather(max=5)
    sent = mine.send_dtmf("1#", **QUICK, method=method)
    assert sent.method == wanted
    digits = gathering.wait(10)
    assert (digits, digits.reason, digits.end) == ("1", "end", "#")
    assert sent.wait(10) == "sent"
    mine.send_dtmf("55", **QUICK, method=method).wait(10)
    assert its.gather(max=2).wait(10) == "55"
    begun = [one for one in events if isinstance(one, DigitReceived)]
    assert [(one.digit, one.method) for one in begun] == [(key, wanted) for key in "1#55"]
    assert {(one.call, one.agent.owner) for one in begun} == {(its, its.party)}


def test_tones_are_the_last_way(calling):
    mine, its = calling({"dtmf": False, "inband_dtmf": True})
    mine.__dict__.pop("_takes_info")
    assert mine.send_dtmf("7").method == "inband"
    assert its.gather(max=1).wait(10) == "7"


def test_what_cannot_be_sent_is_said_at_once(calling):
    mine, its = calling({"dtmf": False})
    with pytest.raises(UsageError, match="'x', at position 1 of '1x'"):
        mine.send_dtmf("1x")
    with pytest.raises(UsageError, match="not agreed on telephone events"):
        mine.send_dtmf("1", method="rtp")
    with pytest.raises(UsageError, match="hook flash has no tone"):
        mine.send_dtmf("!", method="inband")
    assert mine.takes_info
    assert its.takes_info


@pytest.mark.parametrize("method", ["rtp", "info", "inband"])
def test_what_is_cancelled_is_not_sent(calling, method):
    mine, _ = calling()
    sent = mine.send_dtmf("1" * 100, method=method)
    sent.cancel()
    assert sent.wait(10) == "cancelled"


@pytest.mark.parametrize("method", ["rtp", "info", "inband"])
def test_the_end_of_the_call_fails_what_is_sent_and_ends_what_is_gathered(calling, method):
    mine, its = calling()
    sent, gathering = mine.send_dtmf("1" * 100, method=method), its.gather(end="", max=1000)
    mine.terminate()
    with pytest.raises(CallFailed, match="The call ended before"):
        sent.wait(10)
    assert gathering.wait(10).reason == "hangup"


def test_a_prompt_stops_at_the_first_digit(calling):
    mine, its = calling()
    asking = its.ask(ToneSource(440, duration=60), max=1)
    prompt = its.session.played
    assert not prompt.done
    mine.send_dtmf("3", **QUICK)
    assert asking.wait(10) == "3"
    assert prompt.wait(10) == "stopped"


def test_the_time_begins_at_the_end_of_the_prompt(calling):
    _, its = calling()
    asking = its.ask(ToneSource(440, duration=0.06), timeout=0.05)
    assert asking.wait(10).reason == "timeout"
    assert its.session.played.outcome == "ended"


def test_a_prompt_that_is_not_there_is_said_at_once(calling, tmp_path):
    _, its = calling()
    with pytest.raises(MediaError, match=r"none\.wav"):
        its.ask(tmp_path / "none.wav")
    assert its.gather(max=1, first_timeout=0.01).wait(10) == ""


def test_handlers_of_info_have_keys_too(calling):
    found = []
    mine, its = calling({"dtmf": False}, on_bob=lambda bob: bob.on(InfoReceived, found.append))
    assert mine.send_dtmf("4", **QUICK).wait(10) == "sent"
    assert its.gather(max=1).wait(10) == "4"
    assert [event.dtmf.signal for event in found] == ["4"]


def test_other_info_is_answered_as_what_it_is(calling):
    mine, its = calling()
    assert mine.info().wait(10).status == 200
    refused = mine.info(body="x", content_type="text/plain").wait(10)
    assert refused.status == 415
    assert "application/dtmf-relay" in str(refused["Accept"])
    body = "Signal=9\r\nDuration=250"
    assert mine.info(body=body, content_type="application/dtmf-relay").wait(10).status == 200
    assert mine.info(body="8", content_type="application/dtmf").wait(10).status == 200
    assert its.gather(max=2).wait(10) == "98"


async def test_it_is_the_same_in_coroutines():
    async with AudioParty("bob@127.0.0.1") as bob, AudioParty("alice@127.0.0.1") as alice:
        calls = bob.listen(0, address="127.0.0.1").incoming()

        async def serve():
            its = await anext(calls)
            its.accept()
            await its
            return await its.ask(ToneSource(440, duration=60), max=3)

        serving = asyncio.create_task(serve())
        async with alice.call(bob) as call:
            assert await call.send_dtmf("12#", **QUICK) == "sent"
            digits = await serving
        assert (digits, digits.reason) == ("12", "end")
