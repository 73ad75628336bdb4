"""Reliable provisional responses for the side that is called: sent until their PRACK, one at a
time, with the offers and answers that they bring (RFC 3262 §3, §5).
"""

import pytest

from sipparty.errors import CallTimedOut, UsageError
from sipparty.sip.dialog.session import Pending
from sipparty.sip.events import CallEstablished, MediaChanged
from sipparty.testing import SequentialTokens

SUPPORTED = ["Supported: 100rel"]
REQUIRED = ["Require: 100rel"]


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


@pytest.fixture
def silent(wire):
    """One without media."""
    return wire.agent()


def prack(wire, response, number=2, rack=None, **changes):
    """The PRACK for a response of the core's."""
    rack = rack or f"{response['RSeq']} {response.cseq.number} INVITE"
    return wire.within(response, "PRACK", number, headers=[f"RAck: {rack}"], **changes)


def ringing(wire, call, **options):
    options.setdefault("reliable", True)
    call.ring(**options)
    return wire.one()


# ---------------------------------------------------------------- whether it is reliable


@pytest.mark.parametrize(
    ("headers", "options", "reliable"),
    [
        ([], {}, False),
        ([], {"status": 183, "media": True}, False),
        (SUPPORTED, {}, False),
        (SUPPORTED, {"reliable": True}, True),
        (SUPPORTED, {"status": 183, "media": True}, True),
        (SUPPORTED, {"status": 183, "media": True, "reliable": False}, False),
        (REQUIRED, {}, True),
        (REQUIRED, {"reliable": False}, True),
        (["Supported: timer", "Supported: 100REL"], {"reliable": True}, True),
        (["Supported: a b"], {}, False),
    ],
)
def test_it_is_where_the_caller_requires_it_or_it_matters_and_is_supported(
    wire, bob, headers, options, reliable
):
    call = wire.invited(headers=headers, body=b"offer")
    call.ring(**options)
    response = wire.one()
    assert ("RSeq" in response) is reliable
    assert ("Require" in response) is reliable
    call.reject()
    wire.over()


def test_what_it_says(wire, bob):
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    call.ring(183, headers=[("X-Any", "1")], media=True)
    response = wire.one()
    assert response.require == ("100rel",)
    assert 1 <= response["RSeq"] < 2**31
    assert {"PRACK", "UPDATE"} <= set(response.allow)
    assert (response["X-Any"], response.body) == ("1", b"answer to offer")
    call.reject()
    wire.over()


def test_a_caller_that_does_not_support_it_cannot_be_asked_to(wire, bob):
    call = wire.invited(headers=["Supported: timer"])
    with pytest.raises(UsageError, match="100rel"):
        call.ring(reliable=True)
    assert call.state == "InitiatingDialog"
    assert wire.sent() == []


def test_a_party_that_does_not_want_it_refuses_who_requires_it(wire):
    wire.agent(reliable_provisionals="off")
    wire.receive(wire.request("INVITE", headers=REQUIRED))
    refusal = wire.one()
    assert (refusal.status, refusal.unsupported) == (420, ("100rel",))
    call = wire.invited(headers=SUPPORTED, branch="z9hG4bKn", call_id="c2")
    with pytest.raises(UsageError, match="off"):
        call.ring(reliable=True)
    call.accept()
    assert "100rel" not in wire.one().supported


def test_a_party_that_requires_it_takes_no_other_calls(wire):
    wire.agent(reliable_provisionals="required")
    wire.receive(wire.request("INVITE"))
    refusal = wire.one()
    assert (refusal.status, refusal.require) == (421, ("100rel",))
    call = wire.invited(headers=SUPPORTED, branch="z9hG4bKn", call_id="c2")
    call.ring()
    assert wire.one().require == ("100rel",)


# ---------------------------------------------------------------- sent until it is acknowledged


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_it_is_sent_with_an_interval_that_doubles_until_the_call_is_given_up(make_wire, transport):
    # §3: from T1 on without an end at T2, over any transport; then a 5xx.
    wire = make_wire(transport)
    wire.agent()
    call = wire.invited(headers=SUPPORTED)
    call.ring(reliable=True)
    wire.pass_until(33)
    sent = [(time, what) for time, what in wire.times() if time < 32.2]
    assert sent[:-1] == [(t, 180) for t in (0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
    assert sent[-1] == (32, 504)
    assert call.state == "Error"
    assert isinstance(call.last_error, CallTimedOut)
    assert call.ended_by == "timeout"
    wire.over()


def test_its_prack_is_answered_and_ends_that(wire, silent):
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    wire.pass_until(0.6)
    wire.sent()
    wire.receive(prack(wire, response))
    assert wire.starts() == [200]
    wire.pass_until(40)
    assert wire.sent() == []
    assert call.state == "InitiatingDialog"
    call.reject()
    wire.over()


@pytest.mark.parametrize("rack", ["{0} 2 INVITE", "{1} 1 INVITE", "{0} 1 UPDATE", "{0} 1 invite"])
def test_a_prack_for_nothing_that_waits_is_refused(wire, silent, rack):
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    number = response["RSeq"]
    wire.receive(prack(wire, response, rack=rack.format(number, number + 1)))
    assert wire.starts() == [481]
    wire.pass_until(0.6)
    assert wire.starts() == [180]  # it is still sent
    wire.receive(prack(wire, response, 3))
    wire.receive(prack(wire, response, 4))
    assert wire.starts() == [200, 481]
    call.reject()
    wire.over()


@pytest.mark.parametrize("headers", [[], ["RAck: "], ["RAck: 1 INVITE"], ["RAck: 1 1 I N"]])
def test_a_prack_that_does_not_say_for_what_is_a_400(wire, bob, headers):
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    wire.receive(wire.within(response, "PRACK", headers=headers))
    assert wire.starts() == [400]
    call.reject()
    wire.over()


def test_a_prack_outside_of_a_dialog_is_for_nothing(wire, bob):
    wire.receive(wire.request("PRACK", headers=["RAck: 1 1 INVITE"]))
    assert wire.starts() == [481]


def test_a_prack_where_nothing_was_reliable(wire, bob):
    call = wire.invited(headers=SUPPORTED)
    call.ring()
    wire.receive(prack(wire, wire.one(), rack="1 1 INVITE"))
    assert wire.starts() == [481]
    call.reject()
    wire.over()


def test_the_next_one_waits_and_counts_on(wire, silent):
    call = wire.invited(headers=SUPPORTED)
    first = ringing(wire, call)
    call.ring(182, reliable=True)
    call.ring(183, reliable=True)
    assert wire.sent() == []
    wire.receive(prack(wire, first, 2))
    answer, second = wire.sent()
    assert (answer.status, second.status, second["RSeq"]) == (200, 182, first["RSeq"] + 1)
    # §3: each begins at T1 again.
    wire.pass_until(wire.now + 0.5)
    assert wire.starts() == [182]
    wire.receive(prack(wire, second, 3))
    _, third = wire.sent()
    assert (third.status, third["RSeq"]) == (183, first["RSeq"] + 2)
    call.reject()
    assert wire.starts() == [486]
    wire.over()


@pytest.mark.parametrize("end", ["reject", "cancel", "terminate", "bye"])
def test_it_is_not_sent_after_a_final_response(wire, bob, end):
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    if end == "cancel":
        wire.receive(wire.request("CANCEL"))
    elif end == "bye":
        wire.receive(wire.within(response, "BYE"))
    else:
        getattr(call, end)()
    wire.sent()
    wire.pass_until(40)
    assert 180 not in wire.starts()
    wire.over()


# ---------------------------------------------------------------- and the 2xx


def test_a_2xx_waits_for_the_prack_of_what_brings_the_answer(wire, bob):
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call, status=183, media=True, reliable=None)
    call.accept()
    assert wire.sent() == []
    assert call.state == "InitiatingDialog"
    wire.receive(prack(wire, response))
    answered, accepted = wire.sent()
    assert (answered.cseq.method, accepted.cseq.method) == ("PRACK", "INVITE")
    # RFC 6337 §3.1.1: it is not said again.
    assert (accepted.status, accepted.body) == (200, b"")
    wire.acknowledge(accepted)
    assert call.state == "InDialog"
    assert wire.medias[0].done == ["answer", "start", "start", "start"]
    assert wire.kinds()[-1] is CallEstablished
    call.terminate()
    wire.over()


def test_a_2xx_does_not_wait_for_another_one_whose_prack_is_still_taken(wire, bob):
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call)
    call.ring(183, reliable=True)
    call.accept()
    accepted = wire.one()
    assert (accepted.status, accepted.body) == (200, b"answer to offer")
    wire.receive(prack(wire, response))
    assert wire.starts() == [200]  # §3: and no new one
    wire.acknowledge(accepted)
    wire.receive(prack(wire, response, 3))
    assert wire.starts() == [481]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


def test_one_that_answers_by_itself_waits_too(wire):
    wire.agent(media=True, auto_answer=True)
    call = wire.invited(headers=REQUIRED, body=b"offer")
    response, accepted = wire.sent()
    assert (response.status, response.body, accepted.status) == (180, b"", 200)
    wire.receive(prack(wire, response))
    wire.acknowledge(accepted)
    call.terminate()
    wire.over()


def test_an_acceptance_that_waits_ends_with_the_prack_that_never_comes(wire, bob):
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    ringing(wire, call, status=183, media=True)
    call.accept()
    wire.pass_until(33)
    assert wire.starts()[5:7] == [183, 504]
    assert call.state == "Error"
    wire.over()


# ---------------------------------------------------------------- an INVITE without an offer


def test_the_first_one_brings_the_offer_and_its_prack_the_answer(wire, bob):
    # RFC 3262 §5, RFC 6337 §3.1.2
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    assert (response.status, response.body) == (180, b"offer")
    call.accept()
    assert wire.sent() == []
    wire.receive(prack(wire, response, body=b"yes"))
    answered, accepted = wire.sent()
    assert (answered.body, accepted.body) == (b"", b"")
    assert wire.medias[0].done == ["offer", b"accept yes", "start"]
    wire.acknowledge(accepted)
    assert wire.medias[0].done[3:] == ["start"]
    assert call.state == "InDialog"
    call.terminate()
    wire.over()


@pytest.mark.parametrize(("body", "status"), [(b"", 488), (b"bad", 488)])
def test_a_prack_without_a_good_answer_ends_the_call(wire, bob, body, status):
    call = wire.invited(headers=SUPPORTED)
    response = ringing(wire, call)
    wire.receive(prack(wire, response, body=body))
    answered, refused = wire.sent()
    assert (answered.cseq.method, answered.status) == ("PRACK", status)
    assert (refused.cseq.method, refused.status) == ("INVITE", 488)
    assert call.state == "Error"
    wire.over()


def test_an_offer_that_takes_its_time(wire, bob):
    pending = Pending()
    make = bob.open_session

    def slow(dialog, flow):
        session = make(dialog, flow)
        session.offer = lambda: pending
        return session

    bob.open_session = slow
    call = wire.invited(headers=SUPPORTED)
    call.ring(reliable=True)
    call.accept()
    assert wire.sent() == []
    pending.resolve(b"late")
    response = wire.one()
    assert (response.status, response.body) == (180, b"late")
    wire.receive(prack(wire, response, body=b"yes"))
    assert wire.starts() == [200, 200]
    call.terminate()
    wire.over()


# ---------------------------------------------------------------- an offer in the PRACK


def test_a_prack_for_the_answer_may_bring_another_offer(wire, bob):
    # RFC 6337 pattern 5
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call, status=183, media=True)
    wire.receive(prack(wire, response, body=b"more"))
    answered = wire.one()
    assert (answered.status, answered.body) == (200, b"answer to more")
    assert answered["Content-Type"].essence == "application/sdp"
    assert wire.medias[0].done[-2:] == ["answer", "start"]
    assert wire.kinds()[-1] is MediaChanged
    call.accept()
    assert wire.one().body == b""
    call.terminate()
    wire.over()


def test_an_offer_in_it_that_is_not_liked_is_refused_and_another_prack_awaited(wire, bob):
    # RFC 6337 §2.3
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call, status=183, media=True)
    wire.receive(prack(wire, response, 2, body=b"bad"))
    refused = wire.one()
    assert refused.status == 488
    assert "Warning" in refused
    wire.receive(prack(wire, response, 3))
    assert wire.starts() == [200]
    call.accept()
    assert wire.starts() == [200]
    call.terminate()
    wire.over()


def test_an_offer_before_the_first_is_answered_is_refused(wire, bob):
    # RFC 6337 §3.1.1, figure 1: F4 brings none.
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    call.ring(183, media=True, reliable=False)
    wire.sent()
    response = ringing(wire, call, reliable=True)
    assert response.body == b"answer to offer"
    call.reject()
    wire.over()


def test_an_offer_in_the_prack_of_what_brings_no_answer_is_refused(wire, bob):
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call)
    assert response.body == b""
    wire.receive(prack(wire, response, body=b"more"))
    refused = wire.one()
    assert refused.status == 500
    assert 0 <= int(refused["Retry-After"].seconds) <= 10
    call.reject()
    wire.over()


def test_one_that_is_sent_again_after_the_answer_brings_none(wire, bob):
    # RFC 6337 §3.1.1, figure 1: F9 and F12.
    call = wire.invited(headers=SUPPORTED, body=b"offer")
    response = ringing(wire, call, status=183, media=True)
    wire.receive(prack(wire, response, 2))
    wire.sent()
    again = ringing(wire, call, status=183, media=True)
    assert (again.body, again["RSeq"]) == (b"", response["RSeq"] + 1)
    call.accept()
    assert wire.one().body == b""
    call.terminate()
    wire.over()


def test_the_first_rseq_is_never_0(wire, silent, monkeypatch):
    # §3: from 1 to 2**31 - 1.
    for drawn, rseq in ((0, 1), (1, 1), (2**31 - 1, 2**31 - 1)):
        number = lambda self, bits, drawn=drawn: drawn & ((1 << bits) - 1)  # noqa: E731
        monkeypatch.setattr(SequentialTokens, "number", number)
        call = wire.invited(
            headers=SUPPORTED, call_id=f"c{drawn}{rseq}", branch=f"z9hG4bK{drawn}{rseq}"
        )
        assert ringing(wire, call)["RSeq"] == rseq
        call.reject()
        wire.sent()


@pytest.mark.parametrize("end", ["CANCEL", "BYE", "reject", "terminate"])
def test_a_prack_that_is_being_answered_when_the_call_ends(wire, bob, end):
    """RFC 3261 §15.1.2: what is pending is answered with 487."""
    call = wire.invited(headers=REQUIRED)
    response = ringing(wire, call, media=True)
    pending = Pending()
    call.session.accept = lambda answer: pending
    wire.receive(prack(wire, response, body=b"answer"))
    assert wire.sent() == []
    if end == "CANCEL":
        wire.receive(wire.request("CANCEL"))
    elif end == "BYE":
        wire.receive(wire.within(response, "BYE", 3))
    else:
        getattr(call, end)()
    answered = {one.cseq.method: one.status for one in wire.sent()}
    assert answered["PRACK"] == 487
    pending.resolve(None)
    assert wire.sent() == []
    wire.over()
