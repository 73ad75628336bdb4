import math

import pytest

from sipparty.media.rtp.rtcp import ReportBlock
from sipparty.media.rtp.rtcp_schedule import (
    RTCPSchedule,
    ntp_timestamp,
    round_trip_time,
    rtcp_interval,
)

COMPENSATION = math.e - 1.5


def test_ntp_time_is_that_of_the_example_in_the_rfc():
    # 10 November 1995 11:33:25.125 UTC (RFC 3550 section 6.4.1, figure 2)
    assert ntp_timestamp(816003205.125) == 0xB44DB70520000000


def test_the_round_trip_is_that_of_the_example_in_the_rfc():
    block = ReportBlock(1, last_sr=0xB7052000, delay_since_last_sr=0x00054000)
    assert round_trip_time(block, 0xB44DB71080000000) == pytest.approx(6.125)


def test_there_is_no_round_trip_before_a_report_or_against_time():
    assert round_trip_time(ReportBlock(1), ntp_timestamp(0)) is None
    block = ReportBlock(1, last_sr=0xB7052000, delay_since_last_sr=0x00054000)
    assert round_trip_time(block, 0xB44DB70520000000) is None


def test_rounding_does_not_make_a_round_trip_negative():
    block = ReportBlock(1, last_sr=0xB7052000, delay_since_last_sr=20)
    assert round_trip_time(block, 0xB44DB70520000000) == 0.0


def interval(members, senders, **options):
    options = {
        "we_sent": True,
        "average_size": 100.0,
        "initial": False,
        "chance": None,
        **options,
    }
    return rtcp_interval(members, senders, 500.0, **options)


def test_between_two_the_minimum_rules():
    assert interval(2, 2) == 5.0
    assert interval(2, 2, initial=True) == 2.5


def test_many_share_the_bandwidth():
    # Many senders: all alike. Few: they share a quarter, the others the rest.
    assert interval(100, 50) == 100 * 100 / 500
    assert interval(100, 20) == pytest.approx(100 * 20 / 125)
    assert interval(100, 20, we_sent=False) == pytest.approx(100 * 80 / 375)


def test_chance_scatters_by_half_either_way():
    assert interval(2, 2, chance=0.0) == pytest.approx(2.5 / COMPENSATION)
    assert interval(2, 2, chance=0.5) == pytest.approx(5.0 / COMPENSATION)


def schedule(chance=0.5):
    return RTCPSchedule(1, 100.0, lambda: chance)


def test_the_first_report_is_due_after_half_the_minimum():
    it = schedule()
    first = 100.0 + 2.5 / COMPENSATION
    assert it.next == pytest.approx(first)
    assert not it.due(it.next - 0.01)
    assert it.due(it.next)
    it.sent(128, it.next)
    # The interval was drawn before the first report, and is reconsidered after it.
    assert not it.due(it.next)
    assert it.next == pytest.approx(first + 5.0 / COMPENSATION)
    assert it.due(it.next)


def test_a_longer_draw_at_the_time_puts_it_off():
    draws = iter([0.0, 1.0, 1.0])
    it = RTCPSchedule(1, 0.0, lambda: next(draws))
    at = it.next
    assert not it.due(at)
    assert it.next == pytest.approx(3.75 / COMPENSATION)
    assert it.due(it.next)


def test_members_and_senders_come_and_go():
    it = schedule()
    it.hear(2, 100.1, sends=True)
    it.hear(3, 100.1, sends=False)
    assert (it.members, it.senders) == (3, 1)
    before = it.next
    it.due(before)  # notes how many there are
    it.goodbye([2, 1], 101.0)  # one's own goodbye, looped back, is none
    assert (it.members, it.senders) == (2, 0)


def test_fewer_members_bring_the_report_forward():
    it = RTCPSchedule(1, 0.0, lambda: 0.5, size=1000.0)
    for ssrc in range(2, 40):
        it.hear(ssrc, 0.0, sends=False)
    it.due(it.next)
    before = it.next
    it.goodbye(range(2, 40), 1.0)
    assert it.next == pytest.approx(1.0 + (before - 1.0) / 39)


def test_who_is_silent_for_long_is_gone():
    it = schedule()
    it.hear(2, 100.0, sends=True)
    it.sent(128, 101.0)
    it.due(it.next)
    assert it.senders == 1
    it.due(101.0 + 11)
    assert (it.members, it.senders) == (2, 0)
    it.sent(128, 113.0)
    it.due(130.0)
    assert it.members == 1


def test_invented_members_take_no_memory():
    it = schedule()
    for ssrc in range(1000):
        it.hear(ssrc, 100.0, sends=True)
    assert it.members == 64


def test_our_own_ssrc_may_change():
    it = schedule()
    it.hear(1, 100.0, sends=True)
    it.change_ssrc(9, 101.0)
    assert (it.members, it.senders, it.ssrc) == (1, 0, 9)
