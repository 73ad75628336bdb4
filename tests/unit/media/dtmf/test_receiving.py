import random

import pytest

from sipparty.media.dtmf.events import DigitEnded, DigitReceived
from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.receiving import EventReceiver
from sipparty.media.dtmf.sending import EventSender
from sipparty.media.dtmf.telephone_event import TelephoneEvent

FOREVER = float("inf")


def packets_of(keys, duration=0.1, gap=0.07, *, rate=8000, frames=None, start=5000, sequence=65500):
    """What a sender sends: (sequence, timestamp, marker, payload, time), audio as None."""
    sender = EventSender(101, rate)
    sender.queue(plan(keys, duration, gap))
    made = []
    timestamp, ticks = start, rate // 50
    while sender.busy or (frames and len(made) < frames):
        packet = sender.next(timestamp, ticks, rate)
        at = len(made) * 0.02
        if packet is None:
            made.append(None)
        else:
            made.append((sequence & 0xFFFF, packet.timestamp, packet.marker, packet.payload, at))
        sequence += 1
        timestamp = (timestamp + ticks) & 0xFFFFFFFF
    return [packet for packet in made if packet is not None]


class Line:
    def __init__(self, rates=None):
        self.receiver = EventReceiver(rates or {101: 8000})
        self.events = []
        self.now = 0.0

    def take(self, packets, kind=101):
        for sequence, timestamp, marker, payload, at in packets:
            self.wait_until(at)
            self.events += self.receiver.receive(
                kind, sequence, timestamp, marker, payload, self.now
            )
        return self

    def wait_until(self, then):
        if self.receiver.due <= then:
            self.events += self.receiver.expire(self.receiver.due)
        self.now = max(self.now, then)

    def report(
        self, sequence, timestamp, event, duration, end=False, marker=False, at=None, volume=10
    ):
        at = self.now + 0.02 if at is None else at
        payload = bytes(TelephoneEvent(event, duration, end, volume))
        return self.take([(sequence, timestamp, marker, payload, at)])

    def finish(self):
        self.wait_until(FOREVER)
        return self

    @property
    def digits(self):
        return "".join(one.digit for one in self.events if isinstance(one, DigitReceived))

    @property
    def ended(self):
        return [
            (one.digit, round(one.duration, 4))
            for one in self.events
            if isinstance(one, DigitEnded)
        ]


def test_a_press_is_received_with_its_first_packet_and_ended_with_its_end():
    line = Line()
    packets = packets_of("5")
    line.take(packets[:1])
    assert line.events == [DigitReceived("5", "rtp", -10)]
    line.take(packets[1:4])
    assert len(line.events) == 1
    line.take(packets[4:5])
    assert line.events[1:] == [DigitEnded("5", "rtp", 0.1)]
    assert line.receiver.due == FOREVER
    line.take(packets[5:]).finish()
    assert len(line.events) == 2


def test_each_key_is_received():
    line = Line().take(packets_of("0123456789*#ABCD!"))
    assert line.digits == "0123456789*#ABCD!"
    assert [digit for digit, _ in line.ended] == list(line.digits)


def test_the_same_key_again_is_another_press():
    line = Line().take(packets_of("7777", 0.04, 0.04)).finish()
    assert line.digits == "7777"
    assert line.ended == [("7", 0.04)] * 4


def test_the_volume_is_that_of_the_first_packet_and_a_flash_has_none():
    line = Line()
    line.report(1, 100, 3, 160, volume=21).report(2, 100, 3, 320, volume=20)
    line.report(3, 900, 4, 160, volume=0).report(4, 1800, 16, 160, volume=9)
    assert [one.volume for one in line.events if isinstance(one, DigitReceived)] == [
        -21,
        None,
        None,
    ]


# What is lost.


def test_the_beginning_may_be_lost():
    line = Line().take(packets_of("12", 0.1, 0.07)[3:]).finish()
    assert line.digits == "12"
    assert line.ended == [("1", 0.1), ("2", 0.1)]


def test_all_but_one_end_may_be_lost():
    line = Line().take(packets_of("1")[-1:])
    assert line.events == [DigitReceived("1", "rtp", -10), DigitEnded("1", "rtp", 0.1)]


def test_a_press_whose_end_is_lost_ends_with_the_next():
    one, two = packets_of("1"), packets_of("2", start=6000, sequence=65508)
    line = Line().take(one[:4])
    line.take([(*packet[:4], 0.1) for packet in two[:1]])
    assert line.events == [
        DigitReceived("1", "rtp", -10),
        DigitEnded("1", "rtp", 0.08),
        DigitReceived("2", "rtp", -10),
    ]


def test_the_same_key_after_a_lost_end_is_another_press():
    both = packets_of("11", 0.1, 0.07)
    line = Line().take(both[:4]).take([(*packet[:4], 0.1) for packet in both[7:]])
    assert line.ended == [("1", 0.08), ("1", 0.1)]
    assert line.digits == "11"


def test_a_press_whose_end_is_lost_ends_when_three_updates_are_missing():
    line = Line().take(packets_of("1")[:3])
    due = line.receiver.due
    assert due == pytest.approx(0.04 + 3 * 0.05)
    assert line.receiver.expire(due - 0.001) == []
    assert line.receiver.expire(due) == [DigitEnded("1", "rtp", 0.06)]
    assert line.receiver.due == FOREVER


@pytest.mark.parametrize(("every", "limit"), [(0.02, 0.15), (0.1, 0.3), (0.2, 0.6), (1.0, 0.6)])
def test_how_long_is_waited_follows_the_senders_pace(every, limit):
    line = Line()
    for n in range(1, 4):
        line.report(n, 100, 1, round(n * every * 8000), at=n * 0.02)
    assert line.receiver.due == pytest.approx(0.06 + limit)


def test_how_long_is_waited_does_not_depend_on_what_was_lost_before():
    line = Line().report(9, 100, 1, 8000, at=1.0)
    assert line.receiver.due == pytest.approx(1.15)


def test_what_comes_after_it_lapsed_does_not_begin_it_anew():
    packets = packets_of("1", 1.0)
    line = Line().take(packets[:3])
    line.take([(*packet[:4], 5.0) for packet in packets[10:]]).finish()
    assert (line.digits, line.ended) == ("1", [("1", 0.06)])


def test_no_marker_is_needed():
    without = [(*packet[:2], False, *packet[3:]) for packet in packets_of("1123")]
    line = Line().take(without).finish()
    assert line.digits == "1123"
    assert line.ended == [("1", 0.1), ("1", 0.1), ("2", 0.1), ("3", 0.1)]


def test_a_marker_on_each_packet_does_no_harm():
    marked = [(*packet[:2], True, *packet[3:]) for packet in packets_of("1123")]
    assert Line().take(marked).finish().digits == "1123"


# What is out of order.


def test_what_comes_twice_or_late_changes_nothing():
    packets = packets_of("12", 0.1, 0.07)
    line = Line().take(packets[:5])
    for packet in packets[:5]:
        line.take([(*packet[:4], 0.1)] * 2)
    assert len(line.events) == 2
    line.take([(*packet[:4], 0.2) for packet in packets[8:]])
    line.take([(*packet[:4], 0.5) for packet in packets])
    assert (line.digits, line.ended) == ("12", [("1", 0.1), ("2", 0.1)])


def test_an_end_that_overtakes_the_press_is_the_press():
    packets = packets_of("1")
    line = Line().take([(*packet[:4], 0.1) for packet in packets[::-1]])
    assert line.events == [DigitReceived("1", "rtp", -10), DigitEnded("1", "rtp", 0.1)]


def test_a_shorter_duration_is_an_older_packet():
    line = Line().report(2, 100, 1, 320).report(1, 100, 1, 160).report(3, 100, 1, 160, end=True)
    assert line.ended == [("1", 0.04)]


def test_a_press_that_was_overtaken_whole_is_received_after_it():
    line = Line().report(10, 5000, 2, 160)
    line.report(9, 3000, 1, 800, end=True, volume=5).report(8, 3000, 1, 800, end=True)
    line.report(11, 5000, 2, 320, end=True)
    assert line.events == [
        DigitReceived("2", "rtp", -10),
        DigitReceived("1", "rtp", -5),
        DigitEnded("1", "rtp", 0.1),
        DigitEnded("2", "rtp", 0.04),
    ]


def test_overlapping_presses_are_two():
    line = Line()
    line.report(1, 100, 1, 160, marker=True).report(2, 100, 1, 320)
    line.report(3, 420, 2, 160, marker=True).report(4, 100, 1, 480).report(5, 420, 2, 320)
    line.report(6, 100, 1, 640, end=True).report(7, 420, 2, 480, end=True).finish()
    assert line.digits == "12"
    assert [digit for digit, _ in line.ended] == ["1", "2"]


# Long presses.


def test_the_segments_of_a_long_press_are_one():
    line = Line().take(packets_of("9", 20.0)).finish()
    assert (line.digits, line.ended) == ("9", [("9", 20.0)])


@pytest.mark.parametrize("lost", [0.1, 0.4, 0.7])
def test_a_long_press_with_losses_is_one(lost):
    chance = random.Random(9)
    packets = [one for one in packets_of("9", 20.0) if chance.random() >= lost]
    line = Line().take(packets).finish()
    assert line.digits == "9"


def test_a_segment_that_begins_where_the_last_was_heard_goes_on_with_it():
    # RFC 4733 section 2.5.2.3.1: segments may be shorter where they are redundant payloads.
    line = Line().report(1, 1000, 1, 16000, marker=True).report(5, 17000, 1, 160)
    line.report(6, 17000, 1, 320, end=True)
    assert (line.digits, line.ended) == ("1", [("1", round(16320 / 8000, 4))])


def test_a_marked_segment_of_the_longest_goes_on_with_it():
    line = (
        Line().report(1, 1000, 1, 0xFFFF, marker=True).report(9, 1000 + 0xFFFF, 1, 160, marker=True)
    )
    assert line.digits == "1"


def test_a_marked_press_that_begins_where_the_last_ended_is_another():
    line = Line().report(1, 1000, 1, 800, marker=True).report(5, 1800, 1, 160, marker=True)
    assert line.digits == "11"


def test_a_press_of_another_key_where_the_last_was_heard_is_another():
    line = Line().report(1, 1000, 1, 800).report(2, 1800, 2, 160)
    assert (line.digits, line.ended) == ("12", [("1", 0.1)])


def test_the_segments_of_a_press_that_lapsed_are_not_another():
    line = Line().report(1, 1000, 1, 0xFFFF).report(9, 1000 + 0xFFFF, 1, 160, at=9.0)
    line.report(10, 1000 + 0xFFFF, 1, 320, at=9.02).report(11, 1000 + 0xFFFF, 1, 320, end=True)
    assert (line.digits, [digit for digit, _ in line.ended]) == ("1", ["1"])


def test_an_earlier_segment_that_comes_late_is_the_same_press():
    line = Line().report(1, 1000, 1, 0xFFFF).report(4, 1000 + 0xFFFF, 1, 160)
    line.report(2, 1000, 1, 0xFFFF).report(5, 1000 + 0xFFFF, 1, 320, end=True)
    line.report(3, 1000, 1, 0xFFFF)
    assert (line.digits, line.ended) == ("1", [("1", round((0xFFFF + 320) / 8000, 4))])


# Senders that do otherwise.


def test_timestamps_that_move_with_each_update_are_one_press():
    line = Line()
    for n in range(8):
        line.report(n, 1000 + 160 * n, 1, 160 * min(n + 1, 5), end=n >= 5, marker=n == 0)
    assert line.finish().digits == "1"
    assert len(line.ended) == 1


def test_timestamps_that_stand_still_are_presses_by_their_markers():
    line = Line()
    for n in range(3):
        line.report(10 * n, 1000, 1, 160, marker=True).report(10 * n + 1, 1000, 1, 800, end=True)
        line.report(10 * n + 2, 1000, 1, 800, end=True, marker=True)
    assert line.digits == "111"
    assert line.ended == [("1", 0.1)] * 3


# Units, several reports, and what is none.


def test_durations_are_in_the_units_of_each_format():
    line = Line({101: 8000, 110: 48000})
    line.report(1, 1000, 1, 1600, end=True)
    line.take([(9, 9000, True, bytes(TelephoneEvent(2, 9600, True)), 0.5)], kind=110)
    assert line.ended == [("1", 0.2), ("2", 0.2)]


def test_one_key_in_two_formats_at_one_timestamp_is_two_presses():
    line = Line({101: 8000, 110: 48000}).report(1, 1000, 1, 800, end=True)
    line.take([(9, 1000, True, bytes(TelephoneEvent(1, 960)), 0.5)], kind=110)
    assert line.digits == "11"


def test_a_packet_may_hold_presses_that_follow_each_other():
    both = bytes(TelephoneEvent(1, 400, True)) + bytes(TelephoneEvent(2, 160))
    line = Line().take([(1, 1000, True, both, 0.0)]).report(2, 1400, 2, 320, end=True)
    assert (line.digits, line.ended) == ("12", [("1", 0.05), ("2", 0.04)])


def test_presses_in_one_packet_may_be_of_one_key():
    both = bytes(TelephoneEvent(1, 400, True)) + bytes(TelephoneEvent(1, 400, True))
    assert Line().take([(1, 1000, True, both, 0.0)]).digits == "11"


def test_what_is_no_key_is_counted_and_ignored():
    line = Line().report(1, 100, 17, 160).report(2, 300, 255, 160, end=True).report(3, 500, 1, 0)
    assert (line.events, line.receiver.ignored, line.receiver.malformed) == ([], 3, 0)
    fax_and_key = bytes(TelephoneEvent(36, 400, True)) + bytes(TelephoneEvent(2, 160, True))
    line.take([(4, 1000, True, fax_and_key, 0.1)]).report(5, 1400, 2, 160, end=True)
    assert line.digits == "2"


def test_what_is_malformed_is_counted_and_ignored():
    line = Line().take([(1, 100, False, b"", 0.0), (2, 100, False, b"\x01\x0a\x00", 0.0)])
    line.take([(3, 100, False, bytes(TelephoneEvent(1, 160)), 0.0)], kind=102)
    assert (line.events, line.receiver.malformed) == ([], 3)


def test_another_source_ends_the_press_and_begins_anew():
    packets = packets_of("1")
    line = Line().take(packets[:2])
    assert line.receiver.reset() == [DigitEnded("1", "rtp", 0.04)]
    assert line.receiver.reset() == []
    line.take([(*packet[:4], 0.1) for packet in packets])
    assert line.digits == "11"


# Networks.


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("seed", range(40))
def test_each_press_is_received_once_whatever_the_network_does(seed, rate):
    chance = random.Random(seed)
    keys = "".join(chance.choice("0123456789*#ABCD!") for _ in range(30))
    if seed % 2:
        keys = keys[:3] * 10
    packets = packets_of(keys, chance.choice([0.06, 0.1, 0.3]), 0.1, rate=rate)
    presses = sorted({packet[1]: None for packet in packets})
    lost, late, double = chance.random() * 0.5, chance.random() * 0.3, chance.random() * 0.3
    arrived = []
    for packet in packets:
        if chance.random() < lost:
            continue
        for _ in range(1 + (chance.random() < double)):
            # Later by less than the silence between two presses.
            delay = chance.random() * 0.06 if chance.random() < late else 0.0
            arrived.append((*packet[:4], packet[4] + delay))
    arrived.sort(key=lambda packet: packet[4])
    if seed % 3 == 0:
        arrived = [(*packet[:2], False, *packet[3:]) for packet in arrived]
    line = Line({101: rate}).take(arrived).finish()
    survived = {packet[1] for packet in arrived}
    wanted = "".join(key for key, at in zip(keys, presses, strict=True) if at in survived)
    assert line.digits == wanted
    assert [digit for digit, _ in line.ended] == list(wanted)
    assert line.receiver.malformed == line.receiver.ignored == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_each_press_ends_once(seed):
    chance = random.Random(seed)
    line = Line()
    for n in range(3000):
        payload = chance.randbytes(chance.choice([0, 3, 4, 4, 4, 8, 33]))
        if chance.random() < 0.5:
            payload = bytes(
                (chance.randrange(20), 0x80 * chance.randrange(2), 0, chance.randrange(256))
            )
        at = n * 0.02
        line.take(
            [
                (
                    chance.randrange(65536),
                    chance.randrange(4) * 160,
                    chance.random() < 0.5,
                    payload,
                    at,
                )
            ]
        )
    line.finish()
    held = 0
    for event in line.events:
        held += 1 if isinstance(event, DigitReceived) else -1
        assert 0 <= held <= 2
    assert held == 0


def test_a_flood_of_presses_is_ignored_from_some_on():
    line = Line()
    reports = b"".join(bytes(TelephoneEvent(n, 400, True)) for n in range(8))
    for n in range(100):
        line.take([(n, n * 100_000, True, reports, 1.0)])
    assert len(line.events) == 2 * 64
    assert line.receiver.ignored == 800 - 64
    line.report(100, 99_000_000, 5, 400, end=True, marker=True, at=1.1)
    assert [event.digit for event in line.events[128:]] == ["5", "5"]
