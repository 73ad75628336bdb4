"""What an agent does before it tells of a call, and what becomes of one that cannot be taken
(RFC 3261 §8.2.3, §13.3.1)."""

import logging

import pytest

from sipparty.errors import NegotiationError, ParseError
from sipparty.sip import SimpleCall
from sipparty.sip.events import CallEnded, CallReceived


def judge(offer, flow):
    if offer == b"bad":
        raise NegotiationError('There is nothing in "common".')
    if offer == b"garbage":
        raise ParseError("garbage", "a v= line", 0, what="session description")


# ---------------------------------------------------------------- offers


@pytest.mark.parametrize("auto_answer", [True, False])
@pytest.mark.parametrize(
    ("body", "status", "says"),
    [(b"bad", 488, "There is nothing in"), (b"garbage", 400, "expected a v= line")],
)
def test_a_call_is_not_told_of_that_cannot_be_answered(wire, auto_answer, body, status, says):
    """No 180, and nobody is woken: the offer is judged first."""
    agent = wire.agent(media=True, auto_answer=auto_answer, check_offer=judge)
    wire.receive(wire.request("INVITE", body=body))
    answer = wire.one()
    assert answer.status == status
    assert answer["Warning"].startswith("399 sipparty ")
    assert says in answer["Warning"]
    assert wire.happened == []
    assert not agent.dialogs
    assert not wire.core.dialogs
    assert [media.done[-1] for media in wire.medias] == ["stop"] * len(wire.medias)
    if not auto_answer:
        assert wire.medias == []  # nothing was opened to find out
    wire.receive(wire.request("ACK"))
    wire.over()


@pytest.mark.parametrize("body", [b"", b"good"])
@pytest.mark.parametrize("auto_answer", [True, False])
def test_a_call_that_can_be_answered_rings(wire, auto_answer, body):
    wire.agent(media=True, auto_answer=auto_answer, check_offer=judge)
    call = wire.invited(body=body)
    assert wire.kinds() == [CallReceived]
    if not auto_answer:
        call.ring()
        call.accept()
    assert wire.starts() == [180, 200]
    assert len(wire.medias) == 1


def test_an_offer_among_other_parts_is_judged(wire):
    wire.agent(media=True, check_offer=judge)
    parts = b"--b\r\nContent-Type: application/sdp\r\n\r\nbad\r\n--b--\r\n"
    wire.receive(wire.request("INVITE", body=parts, kind="multipart/mixed;boundary=b"))
    assert wire.starts() == [488]
    assert wire.happened == []


def test_a_refusal_on_accepting_says_why_as_well(wire):
    """Without a judge, and where the judge was too kind."""
    wire.agent(media=True)
    wire.invited(body=b"bad").accept()
    answer = wire.one()
    assert answer.status == 488
    assert answer["Warning"] == '399 sipparty "There is nothing in common."'


# ---------------------------------------------------------------- a dialog's class that raises


class Raises(SimpleCall):
    """A call whose class has a defect."""

    where = ""

    def _fail_at(self, where):
        if where == self.where:
            raise RuntimeError(f"{where} is broken")

    def _receive(self, transaction, data):
        super()._receive(transaction, data)
        self._fail_at("receive")

    def ring(self, *arguments):
        self._fail_at("ring")
        return super().ring(*arguments)

    def accept(self):
        self._fail_at("accept")
        super().accept()
        self._fail_at("accepted")

    def on_enter_Error(self):
        super().on_enter_Error()
        self._fail_at("ring")


@pytest.mark.parametrize("where", ["receive", "ring", "accept"])
def test_a_call_whose_class_raises_is_refused_and_over(wire, where):
    """It was answered 500 behind its back, and stayed in `InitiatingDialog`, counted, for good."""
    kind = type("Broken", (Raises,), {"where": where})
    agent = wire.agent(auto_answer=True, server_dialog=kind, max_calls=1)
    with pytest.raises(RuntimeError, match=where):
        wire.receive(wire.request("INVITE"))
    wire.pump()
    assert wire.starts()[-1] == 500
    assert not agent.dialogs
    assert not wire.core.dialogs
    if where == "receive":
        assert wire.happened == []
    else:
        assert wire.kinds() == [CallReceived, CallEnded]
        assert wire.ended()[0][1].status == 500
        assert isinstance(wire.ended()[0][1].__cause__, RuntimeError)
    wire.receive(wire.request("ACK"))
    wire.over()


def test_a_call_that_is_up_when_its_class_raises_is_hung_up(wire):
    kind = type("Broken", (Raises,), {"where": "accepted"})
    wire.agent(auto_answer=True, server_dialog=kind)
    with pytest.raises(RuntimeError):
        wire.receive(wire.request("INVITE"))
    _, answer = wire.sent()
    wire.acknowledge(answer)
    wire.receive(wire.answer(wire.one(), 200))
    assert wire.kinds() == [CallReceived, CallEnded]
    wire.over()


def test_a_class_that_cannot_be_made_leaves_nothing(wire):
    class Broken(SimpleCall):
        def __init__(self, agent):
            raise RuntimeError("no")

    agent = wire.agent(server_dialog=Broken)
    with pytest.raises(RuntimeError):
        wire.receive(wire.request("INVITE"))
    assert wire.starts() == [500]
    assert not agent.dialogs
    wire.over()


def test_media_that_cannot_be_ended_does_not_hide_the_end(wire, caplog):
    wire.agent(media=True)
    call = wire.invited()
    call.accept()
    answer = wire.one()

    def stop():
        raise RuntimeError("the disk is full")

    wire.medias[0].stop = stop
    wire.receive(wire.within(answer, "BYE"))
    assert wire.kinds()[-1] is CallEnded
    assert wire.starts() == [200]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    wire.over()
