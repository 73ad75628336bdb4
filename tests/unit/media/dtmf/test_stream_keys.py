"""Telephone events among the packets of a stream."""

import random

import pytest

from sipparty.media import AudioStream, RTPPacket, find_codec
from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.telephone_event import TelephoneEvent
from sipparty.media.settings import StreamSettings

ALICE, BOB = ("192.0.2.1", 4000), ("192.0.2.2", 4000)
PCMU = find_codec("PCMU")


def settings(remote, **changes):
    given = {"dtmf_send": (101, 8000), "dtmf_receive": {96: 8000}, **changes}
    return StreamSettings(PCMU, 0, {0: PCMU}, remote=remote, **given)


class Ends:
    """Two streams and what is between them, in virtual time."""

    def __init__(self, tokens, **changes):
        # What Alice calls 96, Bob calls 101.
        self.alice = AudioStream(settings(BOB, **changes), 0.0, tokens)
        self.bob = AudioStream(
            settings(ALICE, dtmf_send=(96, 8000), dtmf_receive={101: 8000}), 0.0, tokens
        )
        self.now = 0.0
        self.sent = []
        self.events = []

    def run(self, frames, passes=lambda: True):
        for _ in range(frames):
            self.now += 0.02
            data = self.alice.send_frame(None, self.now)
            if data is not None:
                self.sent.append(RTPPacket.parse(data))
                if passes():
                    self.bob.receive_rtp(data, ALICE, self.now)
            self.bob.play_frame(self.now)
            self.events += self.bob.events
            self.bob.events.clear()
        return self

    @property
    def digits(self):
        return "".join(one.digit for one in self.events if isinstance(one, DigitReceived))


def nothing():
    pass


def test_an_event_replaces_the_audio_and_the_numbers_go_on(tokens):
    ends = Ends(tokens).run(5)
    said = []
    ends.alice.keys.send(plan("5", 0.06, 0.06), lambda: said.append("done"), nothing)
    ends.run(10)
    kinds = [packet.payload_type for packet in ends.sent]
    assert kinds == [0] * 5 + [101] * 5 + [0] * 5
    sequences = [(packet.sequence - ends.sent[0].sequence) & 0xFFFF for packet in ends.sent]
    assert sequences == list(range(15))
    since = [(packet.timestamp - ends.sent[0].timestamp) & 0xFFFFFFFF for packet in ends.sent]
    assert since == [160 * n for n in (0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 10, 11, 12, 13, 14)]
    assert [packet.marker for packet in ends.sent] == [True, *[False] * 4, True, *[False] * 9]
    reports = [TelephoneEvent.parse(packet.payload)[0] for packet in ends.sent[5:10]]
    assert [(one.duration, one.end) for one in reports] == [
        (160, False),
        (320, False),
        (480, True),
        (480, True),
        (480, True),
    ]
    assert said == ["done"]


def test_what_is_sent_is_received_once(tokens):
    ends = Ends(tokens).run(5)
    ends.alice.keys.send(plan("12#"), nothing, nothing)
    ends.run(40)
    assert ends.digits == "12#"
    ended = [one for one in ends.events if isinstance(one, DigitEnded)]
    assert [one.duration for one in ended] == [0.1] * 3
    statistics = ends.bob.statistics
    assert (statistics.packets_received, statistics.lost, statistics.ignored) == (45, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_each_press_is_received_once_with_loss(tokens, seed):
    chance = random.Random(seed)
    ends = Ends(tokens).run(5)
    ends.alice.keys.send(plan("1122334455", 0.12, 0.08), nothing, nothing)
    ends.run(120, lambda: chance.random() >= 0.25)
    assert ends.digits == "1122334455"


def test_a_key_whose_end_is_lost_ends(tokens):
    ends = Ends(tokens).run(5)
    ends.alice.keys.send(plan("1", 0.2), nothing, nothing)
    ends.run(5).run(40, lambda: False)
    (ended,) = (one for one in ends.events if isinstance(one, DigitEnded))
    assert ended.duration == 0.1


def test_a_stream_may_begin_with_a_key(tokens):
    ends = Ends(tokens)
    ends.alice.keys.send(plan("7"), nothing, nothing)
    ends.run(20)
    assert ends.digits == "7"


def test_while_nothing_may_be_sent_keys_wait(tokens):
    ends = Ends(tokens).run(2)
    ends.alice.apply(settings(BOB, sends=False), ends.now)
    ends.alice.keys.send(plan("7"), nothing, nothing)
    assert ends.run(10).digits == ""
    ends.alice.apply(settings(BOB), ends.now)
    assert ends.run(20).digits == "7"


def test_on_hold_keys_are_not_heard(tokens):
    ends = Ends(tokens).run(5)
    ends.bob.apply(settings(ALICE, dtmf_receive={101: 8000}, receives=False), ends.now)
    ends.alice.keys.send(plan("7"), nothing, nothing)
    assert ends.run(20).digits == ""


def test_what_is_agreed_on_anew_is_followed(tokens):
    ends = Ends(tokens).run(5)
    ends.alice.keys.send(plan("12"), nothing, nothing)
    ends.run(3)
    ends.alice.apply(settings(BOB, dtmf_send=(110, 8000)), ends.now)
    ends.bob.apply(settings(ALICE, dtmf_receive={110: 8000}), ends.now)
    ends.run(40)
    assert {packet.payload_type for packet in ends.sent} == {0, 101, 110}
    assert ends.digits[-1] == "2"


def test_keys_fail_where_events_are_agreed_on_no_more(tokens):
    ends = Ends(tokens).run(5)
    said = []
    ends.alice.keys.send(plan("12"), lambda: said.append("done"), lambda: said.append("failed"))
    ends.run(3)
    ends.alice.apply(settings(BOB, dtmf_send=None), ends.now)
    assert said == ["failed"]
    ends.alice.keys.send(plan("3"), nothing, lambda: said.append("again"))
    assert said == ["failed", "again"]
    ends.run(3)
    assert [packet.payload_type for packet in ends.sent[-3:]] == [0, 0, 0]


def test_cancelling_one_text_leaves_the_others(tokens):
    ends = Ends(tokens).run(5)
    said = []
    first, second = (lambda: said.append(1)), (lambda: said.append(2))
    ends.alice.keys.send(plan("11", 0.1, 0.06), first, nothing)
    ends.alice.keys.send(plan("22", 0.1, 0.06), second, nothing)
    ends.run(2)
    ends.alice.keys.cancel(first)
    ends.run(40)
    assert (ends.digits, said) == ("122", [2])
    assert not ends.alice.keys.busy


def test_another_source_ends_the_key(tokens):
    ends = Ends(tokens).run(5)
    ends.alice.keys.send(plan("1", 5.0), nothing, nothing)
    ends.run(5)
    carol = AudioStream(settings(BOB), 0.0, tokens)
    now = ends.now + 0.1
    for _ in range(3):
        now += 0.02
        ends.bob.receive_rtp(carol.send_frame(None, now), ALICE, now)
    (ended,) = (one for one in ends.bob.events if isinstance(one, DigitEnded))
    assert (ended.digit, ended.duration) == ("1", 0.1)


def test_what_is_malformed_is_counted(tokens):
    ends = Ends(tokens).run(5)
    last = ends.sent[-1]
    for n, payload in enumerate((b"", b"\x01\x00\x00", bytes(TelephoneEvent(99, 160)))):
        packet = RTPPacket(101, last.sequence + 1 + n, last.timestamp, last.ssrc, payload)
        ends.bob.receive_rtp(bytes(packet), ALICE, ends.now)
    assert ends.bob.keys.malformed == 3
    assert not ends.bob.events
