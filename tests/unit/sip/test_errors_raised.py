"""The one tree of errors, and what is raised in the place of an error that is kept."""

import pickle
import traceback

import pytest

from sipparty.errors import CallFailed, CallRejected, ParseError, copy_of
from sipparty.sip.message import Request
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import NextHop


class Stern(CallFailed):
    """An error of a user's own, made of other things than it says."""

    def __init__(self, number, *, why):
        super().__init__(f"{number}: {why}")
        self.number = number


@pytest.mark.parametrize(
    "error",
    [
        CallRejected("It was refused.", 486, "Busy Here"),
        ParseError("x", "a v= line", 0, what="session description"),
        Stern(7, why="so"),
        ValueError("plain"),
    ],
)
def test_a_copy_says_the_same(error):
    error.__cause__ = KeyError("why")
    made = copy_of(error)
    assert made is not error
    assert type(made) is type(error)
    assert (made.args, made.__dict__, str(made)) == (error.args, error.__dict__, str(error))
    assert made.__cause__ is error.__cause__
    assert made.__traceback__ is None
    if not isinstance(error, Stern):
        assert pickle.loads(pickle.dumps(made)).args == error.args


def outcome(thing):
    """What asking for the outcome of a thing raises."""
    with pytest.raises(CallFailed) as caught:
        thing._outcome()
    return caught.value


def test_each_wait_raises_an_error_of_its_own(wire):
    """One that threads share gathers the tracebacks of all."""
    agent = wire.agent("sip:alice@atlanta.com")
    call, invite = wire.invite(agent)
    wire.receive(wire.answer(invite, 486))
    asked = send_out_of_dialog(agent, Request("OPTIONS", "sip:bob@10.0.0.9"), NextHop("10.0.0.9"))
    wire.pass_until(40)
    for thing, kept in ((call, call.last_error), (asked, asked.error)):
        first, second = outcome(thing), outcome(thing)
        assert first is not second
        assert str(first) == str(second) == str(kept)
        assert (first.status, first.response) == (kept.status, kept.response)
        assert kept.__traceback__ is None
        frames = [len(traceback.extract_tb(one.__traceback__)) for one in (first, second)]
        assert frames[0] == frames[1]
