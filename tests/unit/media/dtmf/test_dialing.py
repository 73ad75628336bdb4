from types import SimpleNamespace

import pytest

from sipparty.errors import CallFailed, UsageError
from sipparty.media.dtmf.dialing import InfoSender, KeysSent, choose_method, send_keys
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.tones import tone


def chosen(method=None, *, events=False, info=False, audio=False, keys="1"):
    return choose_method(method, events, info, audio, plan(keys))


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({"events": True, "info": True, "audio": True}, "rtp"),
        ({"info": True, "audio": True}, "info"),
        ({"audio": True}, "inband"),
        ({"info": True, "audio": True, "keys": "!"}, "info"),
        ({"method": "info"}, "info"),
        ({"method": "inband", "events": True, "audio": True}, "inband"),
        ({"method": "rtp", "events": True}, "rtp"),
    ],
)
def test_the_way_is_chosen_by_what_there_is(given, method):
    assert chosen(**given) == method


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "not agreed on, the other side's Allow has no INFO, and the call has no audio"),
        ({"audio": True, "keys": "!"}, "and a hook flash has no tone"),
        ({"method": "rtp", "info": True}, "has not agreed on telephone events"),
        ({"method": "inband"}, "no stream of audio"),
        ({"method": "inband", "audio": True, "keys": "1!"}, "hook flash has no tone"),
        ({"method": "RTP", "events": True}, "not 'RTP'"),
    ],
)
def test_where_there_is_none_the_error_says_why(given, words):
    with pytest.raises(UsageError, match=words):
        chosen(**given)


# INFO.


@pytest.fixture
def sender(call):
    return InfoSender(call)


def send(sender, keys, **options):
    handle = KeysSent(keys, "info", None)
    sender.send(plan(keys, **options), handle)
    return handle


def test_each_key_is_an_info_after_the_one_before(call, sender):
    handle = send(sender, "1#", duration=0.16, gap=0.04)
    assert [one.body for one in call.requests] == ["Signal=1\r\nDuration=160\r\n"]
    assert call.requests[0].content_type == "application/dtmf-relay"
    call.requests[0].answer(200)
    call.wait(0.19)
    assert len(call.requests) == 1
    call.wait(0.01)
    assert call.requests[1].body == "Signal=#\r\nDuration=160\r\n"
    call.wait(5)
    assert not handle.done
    call.requests[1].answer(200)
    assert (handle.done, handle.wait(0)) == (True, "sent")
    assert call._watchers is None


def test_the_next_waits_for_the_answer(call, sender):
    send(sender, "12")
    call.wait(5)
    assert len(call.requests) == 1
    call.requests[0].answer(200)
    assert len(call.requests) == 2


def test_a_pause_is_waited(call, sender):
    handle = send(sender, ",1", pause=1.5)
    assert call.requests == []
    call.wait(1.5)
    assert len(call.requests) == 1
    call.requests[0].answer(200)
    call.wait(1)
    assert handle.state == "sent"


def test_who_does_not_know_the_relay_has_the_plain_kind(call, sender):
    handle = send(sender, "12")
    call.requests[0].answer(415)
    assert (call.requests[1].body, call.requests[1].content_type) == ("1", "application/dtmf")
    call.requests[1].answer(200)
    call.wait(1)
    assert (call.requests[2].body, call.requests[2].content_type) == ("2", "application/dtmf")
    call.requests[2].answer(200)
    call.wait(1)
    assert handle.state == "sent"


def test_a_refusal_fails_it(call, sender):
    handle = send(sender, "12")
    call.requests[0].answer(405, "Method Not Allowed")
    with pytest.raises(
        CallFailed, match="refused the key '1' in INFO with 405 Method Not"
    ) as raised:
        handle.wait(0)
    assert raised.value.status == 405
    call.wait(1)
    assert len(call.requests) == 1
    assert call._watchers is None


def test_415_for_the_plain_kind_fails_it(call, sender):
    handle = send(sender, "1")
    call.requests[0].answer(415)
    call.requests[1].answer(415)
    assert (handle.state, handle.error.status) == ("failed", 415)


def test_no_answer_fails_it(call, sender):
    handle = send(sender, "1")
    call.requests[0].fail("Nobody is there.")
    with pytest.raises(CallFailed, match="The key '1' was not taken: Nobody is there"):
        handle.wait(0)


def test_what_cannot_be_sent_fails_it(call, sender):
    call.refuses = UsageError("There is no call.")
    handle = send(sender, "12")
    with pytest.raises(CallFailed, match="The key '1' could not be sent: There is no call"):
        handle.wait(0)


def test_the_end_of_the_call_fails_it(call, sender):
    handle = send(sender, "12")
    call.hang_up()
    with pytest.raises(CallFailed, match="The call ended before '12' was sent"):
        handle.wait(0)
    call.requests[0].answer(200)
    call.wait(1)
    assert len(call.requests) == 1


def test_in_a_call_that_is_over_it_fails_at_once(call, sender):
    call.hang_up()
    assert send(sender, "12").state == "failed"
    assert call.requests == []
    assert call._watchers is None


def test_cancelling_leaves_what_others_send(call, sender):
    first, second = send(sender, "11"), send(sender, "2")
    first.cancel()
    first.cancel()
    assert first.wait(0) == "cancelled"
    call.requests[0].answer(200)
    call.wait(1)
    assert call.requests[1].body.startswith("Signal=2")
    call.requests[1].answer(200)
    call.wait(1)
    assert (second.wait(0), len(call.requests)) == ("sent", 2)


async def test_it_can_be_awaited_and_shown(call, sender):
    handle = send(sender, "1")
    assert repr(handle) == "<KeysSent '1' by info: sending>"
    call.requests[0].answer(200)
    call.wait(1)
    assert await handle == "sent"
    assert (handle.keys, handle.method, handle.state) == ("1", "info", "sent")


# By the stream of a line.


class Stream:
    def __init__(self, dtmf_send):
        self.settings = SimpleNamespace(dtmf_send=dtmf_send)
        self.keys = self
        self.sent, self.cancelled = [], []

    def send(self, presses, done, failed):
        self.sent.append((presses, done, failed))

    def cancel(self, done):
        self.cancelled.append(done)


class Line:
    tones = None

    def __init__(self, stream):
        self.stream = stream
        self.media_loop = self
        self.input = self

    def next_frame(self, samples, rate):
        return None

    def post(self, function):
        function()


def with_line(call, dtmf_send=(101, 8000)):
    call.portal = None
    stream = Stream(dtmf_send)
    call.session = SimpleNamespace(line=Line(stream))
    return stream


def test_events_are_sent_by_the_stream(call):
    stream = with_line(call)
    handle = send_keys(call, "1,2", 0.1, 0.07, 1.0, None)
    ((presses, done, _),) = stream.sent
    assert presses == plan("1,2", 0.1, 0.07, 1.0)
    assert (handle.method, handle.state) == ("rtp", "sending")
    done()
    assert (handle.state, call._watchers) == ("sent", None)


def test_events_that_are_agreed_on_no_more_fail(call):
    stream = with_line(call)
    handle = send_keys(call, "12", 0.1, 0.07, 1.0, None)
    stream.sent[0][2]()
    with pytest.raises(CallFailed, match="'12' was not sent: telephone events are agreed on no"):
        handle.wait(0)


def test_cancelling_reaches_the_stream(call):
    stream = with_line(call)
    handle = send_keys(call, "12", 0.1, 0.07, 1.0, None)
    handle.cancel()
    assert stream.cancelled == [stream.sent[0][1]]
    assert handle.wait(0) == "cancelled"


def test_without_events_tones_are_sent_by_the_line(call):
    stream = with_line(call, None)
    handle = send_keys(call, "1", 0.04, 0.04, 1.0, None)
    assert (handle.method, stream.sent) == ("inband", [])
    line = call.session.line
    frames = [line.input.next_frame(160, 8000) for _ in range(4)]
    assert b"".join(frames) == tone("1", 320, 8000) + bytes(640)
    assert not handle.done
    line.input.next_frame(160, 8000)
    assert handle.wait(0) == "sent"


def test_without_events_and_with_info_that_is_chosen(call):
    with_line(call, None)
    call.takes_info = True
    call._info_keys = InfoSender(call)
    handle = send_keys(call, "1", 0.04, 0.04, 1.0, None)
    assert (handle.method, len(call.requests)) == ("info", 1)


def test_without_media_nothing_can_be_sent(call):
    call.portal = None
    with pytest.raises(UsageError, match="and the call has no audio"):
        send_keys(call, "1", 0.04, 0.04, 1.0, None)
