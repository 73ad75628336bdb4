import pytest

from sipparty.media.dtmf.keys import plan
from sipparty.media.dtmf.sending import EventSender
from sipparty.media.dtmf.telephone_event import TelephoneEvent


class Line:
    """A stream that asks for something to send in each frame."""

    def __init__(self, sender, rate=8000, timestamp=1000, ticks=None):
        self.sender = sender
        self.rate = rate
        self.timestamp = self.start = timestamp
        self.ticks = ticks or rate // 50
        self.sent = []

    def run(self, frames):
        for _ in range(frames):
            packet = self.sender.next(self.timestamp, self.ticks, self.rate)
            if packet is None:
                self.sent.append(None)
            else:
                (report,) = TelephoneEvent.parse(packet.payload)
                since = (packet.timestamp - self.start) & 0xFFFFFFFF
                self.sent.append((since, packet.marker, *report[:3]))
            self.timestamp = (self.timestamp + self.ticks) & 0xFFFFFFFF
        return self.sent


def sender_of(keys, *args, rate=8000, done=None, volume=-10):
    sender = EventSender(101, rate, volume=volume)
    sender.queue(plan(keys, *args), done)
    return sender


def test_a_key_is_updated_in_each_frame_and_ends_three_times():
    line = Line(sender_of("5", 0.1, 0.07))
    assert line.run(8) == [
        (0, True, 5, 160, False),
        (0, False, 5, 320, False),
        (0, False, 5, 480, False),
        (0, False, 5, 640, False),
        (0, False, 5, 800, True),
        (0, False, 5, 800, True),
        (0, False, 5, 800, True),
        None,
    ]


def test_what_is_sent_names_its_payload_type_and_volume():
    sender = sender_of("1", volume=-17)
    packet = sender.next(7, 160, 8000)
    assert (packet.payload_type, packet.timestamp) == (101, 7)
    assert packet.payload == bytes((1, 17, 0, 160))
    assert sender_of("!", volume=-17).next(7, 160, 8000).payload == bytes((16, 0, 0, 160))
    assert sender_of("1", volume=-80).next(7, 160, 8000).payload[1] == 63
    assert sender_of("1", volume=3).next(7, 160, 8000).payload[1] == 0


def test_the_duration_is_exact_where_frames_are_not():
    line = Line(sender_of("1", 0.07, 0.05))
    assert [one[3] for one in line.run(6)] == [160, 320, 480, 560, 560, 560]


def test_the_next_begins_after_the_gap():
    line = Line(sender_of("12", 0.04, 0.1))
    begun = [n for n, one in enumerate(line.run(20)) if one and one[1]]
    assert begun == [0, 7]  # 40 ms and 100 ms are seven frames
    assert line.sent[7] == (7 * 160, True, 2, 160, False)


def test_the_next_begins_after_the_repeats_where_the_gap_is_short():
    line = Line(sender_of("11", 0.04, 0.04))
    assert [one and one[2:] for one in line.run(5)] == [
        (1, 160, False),
        (1, 320, True),
        (1, 320, True),
        (1, 320, True),
        (1, 160, False),
    ]
    assert line.sent[4][:2] == (4 * 160, True)


def test_a_pause_sends_audio():
    line = Line(sender_of(",1", 0.04, 0.04, 0.2))
    assert line.run(11)[:10] == [None] * 10
    assert line.sent[10] == (1600, True, 1, 160, False)


def test_it_is_busy_until_all_is_sent_and_says_so():
    said = []
    sender = sender_of("1", 0.04, 0.04, done=lambda: said.append("done"))
    line = Line(sender)
    assert sender.busy
    line.run(4)
    assert (sender.busy, said) == (True, [])
    line.run(1)
    assert (sender.busy, said) == (False, ["done"])
    assert line.sent[4] is None
    sender.queue(plan("2"))
    assert sender.busy
    assert line.run(1)[5] == (5 * 160, True, 2, 160, False)


def test_nothing_to_send_is_not_busy():
    sender = EventSender(101)
    assert (sender.busy, sender.next(0, 160, 8000)) == (False, None)
    sender.queue(())
    assert not sender.busy


def test_one_done_is_called_between_two_texts():
    said = []
    sender = sender_of("1", 0.04, 0.04, done=lambda: said.append(1))
    sender.queue(plan("2", 0.04, 0.04), lambda: said.append(2))
    line = Line(sender)
    line.run(5)
    assert said == [1]
    line.run(5)
    assert said == [1, 2]
    assert [one[2] for one in line.sent if one and one[1]] == [1, 2]


def test_a_long_press_is_cut_into_segments():
    # RFC 4733 section 2.5.1.3; 20 seconds are 160000 ticks.
    line = Line(sender_of("9", 20.0, 0.05))
    sent = line.run(1100)
    packets = [one for one in sent if one]
    assert [one[0] for one in packets if one[1]] == [0]
    assert sorted({one[0] for one in packets}) == [0, 0xFFFF, 2 * 0xFFFF]
    for segment in (0, 0xFFFF):
        ends = [one for one in packets if one[0] == segment and one[3] == 0xFFFF]
        assert ends == [(segment, False, 9, 0xFFFF, False)] * 3
    last = packets[-3:]
    assert last == [(2 * 0xFFFF, False, 9, 160000 - 2 * 0xFFFF, True)] * 3
    assert not any(one[4] for one in packets[:-3])
    durations = [(one[0], one[3]) for one in packets]
    assert durations == sorted(durations)


def test_a_press_as_long_as_a_segment_is_one():
    sender = EventSender(101)
    sender.queue([plan("1")[0]._replace(duration=0xFFFF / 8000)])
    packets = [one for one in Line(sender).run(500) if one]
    assert packets[-1] == (0, False, 1, 0xFFFF, True)
    assert {one[0] for one in packets} == {0}


def test_durations_are_in_ticks_of_the_events_clock():
    line = Line(sender_of("1", 0.06, 0.05, rate=8000), rate=48000)
    assert [one[3] for one in line.run(3)] == [160, 320, 480]
    line = Line(sender_of("1", 0.06, 0.05, rate=48000), rate=48000)
    assert [one[3] for one in line.run(3)] == [960, 1920, 2880]


def test_a_long_press_of_another_clock_is_cut_in_time():
    line = Line(sender_of("1", 10.0, 0.05, rate=8000), rate=48000)
    packets = [one for one in line.run(520) if one]
    assert sorted({one[0] for one in packets}) == [0, 6 * 0xFFFF]
    assert packets[-1][3:] == (80000 - 0xFFFF, True)


def test_timestamps_wrap():
    line = Line(sender_of("12", 0.06, 0.1), timestamp=0xFFFFFFFF - 200)
    sent = line.run(12)
    assert [one[3] for one in sent[:5]] == [160, 320, 480, 480, 480]
    assert sent[8] == (8 * 160, True, 2, 160, False)


def test_frames_that_were_missed_count():
    line = Line(sender_of("1", 0.1, 0.05))
    line.run(1)
    line.timestamp += 2 * 160
    assert line.run(1)[1] == (0, False, 1, 640, False)
    line.timestamp += 500 * 160
    assert [one and one[3:] for one in line.run(4)[2:]] == [(800, True)] * 3 + [None]


@pytest.mark.parametrize("frames", [1, 3])
def test_cancelling_ends_the_press_under_way(frames):
    said = []
    sender = sender_of("123", 0.1, 0.07, done=lambda: said.append("done"))
    line = Line(sender)
    line.run(frames)
    sender.cancel()
    line.run(8)
    assert [one and one[2:] for one in line.sent[frames:]] == [
        *[(1, frames * 160, True)] * 3,
        *[None] * 5,
    ]
    assert (sender.busy, said) == (False, [])


def test_cancelling_after_the_end_repeats_the_end():
    sender = sender_of("12", 0.04, 0.07)
    line = Line(sender)
    line.run(3)
    sender.cancel()
    assert [one and one[2:] for one in line.run(3)[2:]] == [
        (1, 320, True),
        (1, 320, True),
        None,
        None,
    ]


def test_cancelling_in_a_pause_ends_it():
    sender = sender_of(",1", 0.1, 0.07, 10)
    line = Line(sender)
    line.run(2)
    sender.cancel()
    assert not sender.busy
    sender.queue(plan("2"))
    assert line.run(1)[2] == (2 * 160, True, 2, 160, False)
