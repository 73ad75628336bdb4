import pytest

from sipparty.media.rtp.packet import RTPPacket
from sipparty.media.rtp.sender import RTPSender
from sipparty.media.rtp.source import MAX_CANDIDATES, MAX_DROPOUT, RTPReceiver, RTPSource

ALICE = ("192.0.2.1", 4000)
BOB = ("192.0.2.2", 4000)


def packets(first, count, ssrc=1, step=160):
    return [
        RTPPacket(0, n & 0xFFFF, (n * step) & 0xFFFFFFFF, ssrc, b"x" * 160)
        for n in range(first, first + count)
    ]


def feed(receiver, stream, address=ALICE, start=0.0, period=0.02):
    got = []
    for n, packet in enumerate(stream):
        got += receiver.receive(packet, address, start + n * period)
    return [packet.sequence for packet in got]


# The sender.


def test_packets_are_numbered_across_the_wraps():
    sender = RTPSender(7, 0xFFFF, 0xFFFFFFFF - 79)
    first = sender.send(b"a" * 160, 160, 0, 0.0)
    second = sender.send(b"b" * 160, 160, 0, 0.02)
    assert (first.sequence, first.timestamp, first.marker) == (0xFFFF, 0xFFFFFFFF - 79, True)
    assert (second.sequence, second.timestamp, second.marker) == (0, 80, False)
    assert (sender.packets, sender.octets) == (2, 320)


def test_a_datagram_is_the_packet_that_would_be_sent():
    one, other = (RTPSender(7, 0xFFFE, 0xFFFFFFFF - 79) for _ in range(2))
    for n in range(4):
        datagram = one.datagram(b"abc" * n, 160, 96, n * 0.02)
        assert datagram == bytes(other.send(b"abc" * n, 160, 96, n * 0.02))
        assert datagram[1] == (0x80 | 96 if n == 0 else 96)
    assert (one.packets, one.octets, one.sent_at) == (4, 18, 0.06)
    one.change_ssrc(8)
    assert one.sent_at is None


def test_a_pause_moves_the_timestamp_and_marks_the_next_packet():
    sender = RTPSender(7, 10, 1000)
    sender.send(b"", 160, 0, 0.0)
    sender.skip(160, 0.02)
    sender.skip(160, 0.04)
    packet = sender.send(b"", 160, 0, 0.06)
    assert (packet.sequence, packet.timestamp, packet.marker) == (11, 1480, True)


def test_the_timestamp_of_an_instant_is_that_of_the_sampling_clock():
    sender = RTPSender(7, 10, 1000)
    assert sender.timestamp_at(5.0) == 1000
    sender.send(b"", 160, 0, 5.0)
    assert sender.timestamp_at(5.0) == 1000
    assert sender.timestamp_at(5.02) == 1160
    assert sender.timestamp_at(5.03) == 1240


def test_another_ssrc_begins_to_count_anew_and_goes_on_numbering():
    sender = RTPSender(7, 10, 1000)
    sender.send(b"abc", 160, 0, 0.0)
    sender.change_ssrc(8)
    assert (sender.packets, sender.octets, sender.sequence) == (0, 0, 11)
    assert sender.send(b"", 160, 0, 0.02).ssrc == 8


# One source.


def source(first=0, count=0, **options):
    it = RTPSource(1, ALICE, **options)
    for n in range(count):
        it.receive((first + n) & 0xFFFF, n * 160, n * 0.02)
    return it


def test_a_source_is_valid_after_two_in_sequence():
    it = RTPSource(1, ALICE)
    assert not it.receive(10, 0, 0.0)
    assert not it.receive(12, 320, 0.02)
    assert not it.valid
    assert it.expected == it.lost == 0
    assert it.receive(13, 480, 0.04)
    assert (it.received, it.expected, it.lost) == (2, 2, 0)


def test_what_is_lost_is_expected_less_received():
    it = source(100, 10)
    it.receive(115, 0, 0.5)
    assert (it.expected, it.received, it.lost) == (16, 11, 5)
    it.receive(112, 0, 0.5)
    assert it.lost == 4
    for _ in range(5):
        it.receive(115, 0, 0.5)
    assert it.lost == -1


@pytest.mark.parametrize("first", [65530, 65535, 65534])
def test_sequence_numbers_wrap(first):
    it = source(first, 10)
    assert (it.expected, it.lost) == (10, 0)
    assert it.highest_sequence == first + 9


def test_a_long_gap_is_loss_and_a_longer_one_a_restart():
    it = source(100, 2)
    assert it.receive(101 + MAX_DROPOUT - 1, 0, 1.0)
    assert it.lost == MAX_DROPOUT - 2
    assert not it.receive(50000, 0, 1.0)
    assert not it.receive(60000, 0, 1.0)  # not the one after it
    assert it.receive(60001, 0, 1.0)
    assert (it.restarts, it.expected, it.received, it.lost) == (1, 1, 1, 0)


def test_a_report_counts_from_the_one_before():
    it = source(0, 100)
    block = it.report(2.0)
    assert (block.fraction_lost, block.cumulative_lost, block.highest_sequence) == (0, 0, 99)
    for n in range(100, 200, 2):
        it.receive(n, n * 160, n * 0.02)
    block = it.report(4.0)
    # 99 expected since, 50 received: 49/99 in 256ths.
    assert (block.fraction_lost, block.cumulative_lost) == (49 * 256 // 99, 49)
    assert it.report(4.0).fraction_lost == 0


def test_the_loss_is_clamped_to_24_bits():
    it = source(0, 2)
    it.received = 1 << 25
    assert it.report(0.0).cumulative_lost == -(1 << 23)
    assert it.report(0.0).fraction_lost == 0


def test_jitter_is_that_of_the_rfc():
    it = source(0, 50)
    assert it.jitter == pytest.approx(0, abs=1e-6)
    it.receive(50, 50 * 160, 50 * 0.02 + 0.016)  # 128 ticks late: J = 128 / 16
    assert it.report(1.1).jitter == 8
    assert it.jitter == pytest.approx(0.001)


def test_a_sender_report_is_named_in_the_next_report():
    it = source(0, 2)
    assert it.report(1.0)[5:] == (0, 0)
    it.hear_sender_report(0x0000123456780000, 1.0)
    block = it.report(6.25)
    assert block.last_sr == 0x12345678
    assert block.delay_since_last_sr == int(5.25 * 65536)


# The receiver.


def test_nothing_of_the_beginning_is_lost():
    receiver = RTPReceiver()
    assert feed(receiver, packets(65535, 3)) == [65535, 0, 1]
    assert (receiver.packets, receiver.octets, receiver.lost) == (3, 480, 0)
    assert receiver.source.address == ALICE


def test_a_single_packet_of_a_stranger_changes_nothing():
    receiver = RTPReceiver()
    feed(receiver, packets(0, 5))
    assert feed(receiver, packets(900, 1, ssrc=2), BOB, start=10.0) == []
    assert receiver.source.address == ALICE
    assert receiver.strays == 1


def test_two_at_once_do_not_flip_flop():
    receiver = RTPReceiver()
    for n in range(50):
        receiver.receive(packets(n, 1)[0], ALICE, n * 0.02)
        receiver.receive(packets(500 + n, 1, ssrc=2)[0], BOB, n * 0.02 + 0.01)
    assert receiver.source.ssrc == 1
    assert receiver.packets == 50
    assert receiver.strays == 49  # the first came before anything was valid


def test_another_source_takes_over_when_the_first_is_silent():
    receiver = RTPReceiver()
    feed(receiver, packets(0, 10))
    lost = receiver.lost
    got = feed(receiver, packets(700, 10, ssrc=2), BOB, start=0.2)
    assert got == list(range(701, 710))  # 60 ms after the last of the first source
    assert receiver.source.ssrc == 2
    assert receiver.source.address == BOB
    assert receiver.lost == lost


def test_a_source_that_moves_is_followed_and_its_statistics_go_on():
    receiver = RTPReceiver()
    feed(receiver, packets(0, 10))
    before = receiver.source
    got = feed(receiver, packets(10, 10), BOB, start=0.2)
    assert got[-1] == 19
    assert receiver.source is before
    assert before.address == BOB
    assert before.lost == 10 - len(got)


def test_the_jitter_of_who_has_left_is_still_said():
    receiver = RTPReceiver()
    for number, packet in enumerate(packets(1, 20)):
        receiver.receive(packet, ALICE, 0.02 * number + 0.005 * (number % 2))
    before = receiver.jitter
    assert before > 0.001
    receiver.forget()
    assert receiver.jitter == before


def test_after_a_goodbye_the_next_is_followed_at_once():
    receiver = RTPReceiver()
    feed(receiver, packets(0, 10))
    receiver.forget()
    assert receiver.source is None
    assert feed(receiver, packets(50, 2, ssrc=2), BOB, start=0.2) == [50, 51]


def test_out_of_range_is_a_stray():
    receiver = RTPReceiver()
    feed(receiver, packets(0, 10))
    assert feed(receiver, packets(30000, 1), start=1.0) == []
    assert receiver.strays == 1


# Ranks.


def ranked(ranks):
    """A receiver whose sources have the ranks of their addresses."""
    return RTPReceiver(rank=lambda address, now, same_stream: ranks.get(address))


def test_a_source_of_better_rank_takes_over_at_once_and_one_of_worse_never():
    receiver = ranked({ALICE: 1, BOB: 0})
    feed(receiver, packets(0, 10))
    assert feed(receiver, packets(500, 3, ssrc=2), BOB, start=0.2) == [500, 501, 502]
    assert feed(receiver, packets(10, 10), start=60.0) == []
    assert receiver.strays == 11  # one of bob's waited for the next


def test_the_stream_that_is_heard_is_followed_with_its_first_packet_from_a_better_rank():
    receiver = ranked({ALICE: 1, BOB: 0})
    feed(receiver, packets(0, 10))
    assert feed(receiver, packets(10, 1), BOB, start=0.2) == [10]
    assert receiver.source.address == BOB
    # Under the same SSRC, but not in its sequence, it is another one.
    receiver = ranked({ALICE: 1, BOB: 0})
    feed(receiver, packets(0, 10))
    for first in (9, 9 + MAX_DROPOUT):
        assert feed(receiver, packets(first, 1), BOB, start=0.2) == []


def test_who_has_no_rank_is_not_heard_and_who_has_lost_it_is_left():
    ranks = {ALICE: 0}
    receiver = ranked(ranks)
    assert feed(receiver, packets(0, 10, ssrc=2), BOB) == []
    assert receiver.strays == 10
    feed(receiver, packets(0, 10))
    ranks.clear()
    ranks[BOB] = 3
    assert feed(receiver, packets(50, 2, ssrc=2), BOB, start=0.2) == [50, 51]


def test_sources_on_probation_are_bounded():
    receiver = RTPReceiver()
    for n in range(100):
        feed(receiver, packets(0, 1, ssrc=n), ("192.0.2.9", n))
    assert len(receiver._candidates) == MAX_CANDIDATES


def test_the_clock_is_that_of_telephony_by_default():
    rates = RTPSender(1, 2, 3).clock_rate, RTPReceiver().clock_rate, RTPSource(1, ()).clock_rate
    assert rates == (8000, 8000, 8000)


def test_only_the_next_packet_of_a_valid_source_takes_the_short_way():
    short, long = (RTPSource(1, ALICE) for _ in range(2))
    assert not short.receive_next(0xFFFD, 0, 0.0)
    for n in range(0xFFFC, 0xFFFE):
        for source in (short, long):
            source.receive(n, n * 160, 0.0)
    for n in (0xFFFE, 0xFFFF, 0x10000, 0x10001):
        now = n * 0.021
        assert short.receive_next(n & 0xFFFF, n * 160 & 0xFFFFFFFF, now)
        assert long.receive(n & 0xFFFF, n * 160 & 0xFFFFFFFF, now)
        assert (short.highest_sequence, short.received) == (long.highest_sequence, long.received)
        assert short.jitter == long.jitter
    before = (short.received, short.jitter, short.highest_sequence)
    for n in (1, 0, 3):
        assert not short.receive_next(n, 0, 0.0)
    assert (short.received, short.jitter, short.highest_sequence) == before
