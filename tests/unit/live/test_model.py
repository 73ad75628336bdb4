"""The model of calls: phases, bounds, and what is hostile."""

from __future__ import annotations

import pytest

from sipparty.live.model import LiveCall, LiveModel
from sipparty.sip.dialog import SimpleCall
from sipparty.trace.wirelog import WireRecord

from .records import ALICE, BOB, CALL, quality, request, response, step


def model_of(*records, **options) -> LiveModel:
    model = LiveModel(**options)
    model.add(records)
    return model


def call_of(*records) -> LiveCall:
    (call,) = model_of(*records).calls()
    return call


def test_a_call_that_is_up() -> None:
    model = model_of(*CALL)
    call = model["call-1"]
    assert (call.caller, call.callee) == ("alice@atlanta.com", "bob:***@biloxi.com")
    assert (call.phase, call.state, call.result) == ("answered", "answered", "200 OK")
    assert (call.began, call.answered, call.ended) == (100.0, 103.0, None)
    assert model.now == 105.0
    assert call.duration(model.now) == 2.0
    assert call.mos == 3.9


@pytest.mark.parametrize(
    ("records", "phase", "state"),
    [
        ([request()], "calling", "calling"),
        ([request(), response(100, "Trying")], "calling", "calling"),
        ([request(), response(180, "Ringing")], "ringing", "180 Ringing"),
        ([request(), response(486, "Busy Here")], "failed", "486 Busy Here"),
        ([request(), response(487, "Gone"), response(200, "OK", method="CANCEL")], "failed", None),
        ([request(), response(401, "Unauthorized"), request("ACK")], "failed", None),
        ([request(), response(401, "Unauthorized"), request()], "calling", "calling"),
        ([request(), response(200, "OK"), request("BYE")], "ended", "ended"),
        ([request(), response(200, "OK"), request("BYE"), response(200, "OK")], "ended", "ended"),
        ([request(), response(200, "OK"), request(), response(488, "No")], "answered", "answered"),
        ([request("REGISTER"), response(200, "OK", method="REGISTER")], "ended", "ended"),
        ([request("OPTIONS"), response(404, "No", method="OPTIONS")], "failed", "404 No"),
    ],
)
def test_phases(records, phase: str, state: str | None) -> None:
    call = call_of(*records)
    assert call.phase == phase
    assert state in (None, call.state)


def test_a_call_that_was_hung_up_has_its_duration() -> None:
    call = call_of(request(), response(200, "OK", 1.0), request("BYE", 61.5))
    assert call.duration(9999.0) == 60.5
    assert call_of(request()).duration(9999.0) == 0.0


def test_its_ladder_has_messages_and_its_machines_their_way() -> None:
    call = call_of(*CALL)
    text = str(call.ladder({ALICE: "alice", BOB: "bob"}))
    assert "INVITE" in text
    assert "180 Ringing" in text
    assert "InDialog" not in text
    assert "MOS" not in text
    (view,) = call.machines()
    assert view.plan is SimpleCall.plan
    assert (view.state, len(view.way)) == ("InDialog", 2)


def test_calls_that_are_over_are_forgotten_first() -> None:
    model = model_of(
        *(request(call="a"), request(call="b"), response(486, "Busy Here", call="b")),
        *(request(call="c"), request(call="d"), request(call="e")),
        calls=3,
    )
    assert [call.call_id for call in model.calls()] == ["e", "d", "c"]
    assert "a" not in model
    assert len(model) == 3
    with pytest.raises(KeyError):
        model["b"]


def test_calls_that_are_over_need_not_be_listed() -> None:
    model = model_of(request(call="a"), response(486, "Busy Here", call="a"), request(call="b"))
    assert [call.call_id for call in model.calls(ended=False)] == ["b"]


def test_what_is_kept_of_a_call_is_bounded() -> None:
    model = model_of(*CALL, records=50)
    model.add(quality(200.0 + n) for n in range(5000))
    model.add(step("InDialog", f"input {n}", "InDialog") for n in range(5000))
    call = model["call-1"]
    assert len(call.latest) == 50
    assert len(call.quality) == 600
    assert len(call.machines()[0].way) == 200


def test_messages_that_are_kept_of_a_call_are_bounded_in_bytes() -> None:
    long = WireRecord(100.0, "received", "UDP", ALICE, BOB, CALL[0].data + bytes(60_000))
    call = call_of(*[long] * 100, *CALL)
    assert len(call.latest) == 8 + len(CALL)
    call = call_of(*[long] * 100, *[step("InDialog", "again", "InDialog")] * 3000, *CALL)
    assert call._bytes == sum(len(one.data) for one in call.latest if isinstance(one, WireRecord))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"INVITE",
        b"INVITE sip:x SIP/2.0\r\nCall-ID: x\r\nFrom:\r\nTo: \x1b[31m\xff\xfe\r\n\r\n",
        b"SIP/2.0 9999999999 \x1b\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
        b"\xff SIP/2.0\r\nCall-ID: x\r\n\r\n",
    ],
)
def test_what_is_hostile_neither_raises_nor_is_shown_as_it_is(data: bytes) -> None:
    model = model_of(WireRecord(0.0, "received", "UDP", ALICE, BOB, data))
    for call in model.calls():
        for shown in (call.caller, call.callee, call.state, call.method):
            assert shown.isprintable()
        call.ladder().svg()


def test_what_belongs_to_no_call_is_left_out() -> None:
    assert len(model_of(quality(0.0, call=""), quality(0.0, call="unknown"))) == 0
