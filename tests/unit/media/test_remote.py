import dataclasses

import pytest

from sipparty.media.audio_stream import AudioStream
from sipparty.media.events import DestinationLearnt, RemoteLeft
from sipparty.media.rtp.remote import Rank, RemoteEnd
from sipparty.media.rtp.rtcp import Goodbye, ReceiverReport, SourceDescription, build_compound

from .test_audio_stream import SETTINGS, THERE, THERE_RTCP, heard, sent

SIGNALLING = "203.0.113.1"
BESIDE = (THERE[0], 7000)
NAT = (SIGNALLING, 30000)
STRANGER = ("198.51.100.66", 666)
OTHER = ("198.51.100.77", 777)


def end(**options):
    return RemoteEnd(THERE, THERE_RTCP, 0.0, signalling=SIGNALLING, **options)


@pytest.fixture
def stream(tokens):
    return AudioStream(SETTINGS, 0.0, tokens, signalling=SIGNALLING)


@pytest.mark.parametrize(
    ("address", "rank"),
    [
        (THERE, Rank.SIGNALLED),
        ((*THERE, 0, 0), Rank.SIGNALLED),
        (BESIDE, Rank.HOST),
        (NAT, Rank.HOST),
        (STRANGER, Rank.ELSEWHERE),
    ],
)
def test_ranks(address, rank):
    assert end().rank(address, 9.9) is rank


def test_a_stranger_is_latched_in_time_or_not_at_all():
    assert end().rank(STRANGER, 10.0) is None
    assert end(latch=0.0).rank(STRANGER, 0.0) is None
    assert end(latch=60.0).rank(STRANGER, 59.0) is Rank.ELSEWHERE
    assert end(symmetric=False).rank(STRANGER, 0.0) is None
    assert end(symmetric=False).rank(NAT, 0.0) is Rank.HOST
    # Where the signalling comes from is no stranger's, however late.
    assert end().rank(NAT, 1e6) is Rank.HOST


def test_no_other_host_is_heard_once_the_signalled_address_is():
    it = end()
    assert not it.hear(THERE, 0.0)
    assert it.settled == THERE
    for address in (NAT, STRANGER):
        assert it.rank(address, 0.1, same_stream=True) is None
        assert it.rank(address, 1e6, last=0.0) is None
    assert it.rank(BESIDE, 2.9, last=0.0) is None


def test_the_first_that_is_latched_stays():
    it = end()
    assert it.hear(STRANGER, 0.0)
    assert it.destination == STRANGER
    assert it.rank(OTHER, 0.1) is None
    assert it.rank((STRANGER[0], 1), 1e6) is Rank.ELSEWHERE  # the same host by another port
    assert it.rank(OTHER, 1e6, same_stream=True) is Rank.ELSEWHERE  # the same stream


def test_what_is_heard_beside_may_be_all_that_symmetric_media_is_not():
    it = end(symmetric=False)
    assert not it.hear(NAT, 0.0)
    assert it.destination == THERE


def test_a_new_address_is_followed_and_an_old_one_never_again():
    it = end()
    it.hear(THERE, 0.0)
    moved = (THERE[0], 6000)
    it.agree(moved, THERE_RTCP, 1.0)
    assert it.destination == moved
    assert it.rank(THERE, 1e6) is Rank.FORMER
    assert not it.hear(THERE, 1e6)
    assert it.destination == moved
    # Nor one that is older still, nor one that was never heard.
    it.agree((THERE[0], 8000), THERE_RTCP, 2.0)
    assert it.rank(THERE, 1e6) is Rank.FORMER
    assert it.rank(moved, 1e6) is Rank.FORMER
    it.agree(THERE, THERE_RTCP, 3.0)
    assert it.rank(THERE, 3.0) is Rank.SIGNALLED


def test_a_nat_may_serve_the_new_address_as_it_did_the_old_one():
    it = end()
    it.hear(STRANGER, 0.0)
    it.agree((THERE[0], 6000), THERE_RTCP, 100.0)
    assert it.rank(STRANGER, 100.9) is Rank.FORMER
    assert it.rank(STRANGER, 1e6) is Rank.ELSEWHERE
    assert it.hear(STRANGER, 101.0)
    assert it.destination == STRANGER


def test_the_hold_of_old_keeps_what_was_learnt():
    it = end()
    it.hear(NAT, 0.0)
    it.agree(None, None, 1.0, sends=False)
    it.agree(THERE, THERE_RTCP, 100.0)
    assert it.destination == NAT
    # Without an address, and not on hold, it is the packets that tell.
    it.agree(None, None, 200.0)
    assert it.destination is None


def test_a_latch_may_be_had_again_after_a_hold():
    it = end()
    assert it.rank(STRANGER, 100.0) is None
    it.reopen(100.0)
    assert it.rank(STRANGER, 109.0) is Rank.ELSEWHERE


def test_a_latch_may_be_had_again_after_a_move():
    it = end()
    it.agree((THERE[0], 6000), THERE_RTCP, 100.0)
    assert it.rank(STRANGER, 109.9) is Rank.ELSEWHERE
    assert it.rank(STRANGER, 110.0) is None


def test_the_hold_of_old_keeps_where_reports_go():
    it = end()
    it.hear_rtcp((THERE[0], 9), of_source=True)
    it.agree(None, None, 1.0, sends=False)
    assert it.rtcp_destination == (THERE[0], 9)
    it.agree(THERE, None, 2.0)
    assert it.rtcp_destination is None


def test_how_many_addresses_are_remembered_is_bounded():
    it = end(unproven=5.0)
    for n in range(100):
        it.agree((f"192.0.2.{n}", 4000), None, float(n))
        it.hear((f"192.0.2.{n}", 4000), float(n))
    assert len(it._former) == len(it._proven) == 16


def test_rtcp_goes_to_where_the_sources_comes_from_unless_it_comes_from_where_it_was_asked_for():
    it = end()
    it.hear_rtcp((THERE[0], 9), of_source=False)
    assert it.rtcp_destination == THERE_RTCP
    it.hear_rtcp((THERE[0], 9), of_source=True)
    assert it.rtcp_destination == (THERE[0], 9)
    it.hear_rtcp(THERE_RTCP, of_source=True)
    it.hear_rtcp((THERE[0], 9), of_source=True)
    assert it.rtcp_destination == THERE_RTCP
    it.hear_rtcp((THERE[0], 9), of_source=True)
    it.agree(THERE, (THERE[0], 4711), 1.0)
    assert it.rtcp_destination == (THERE[0], 4711)
    assert not end(symmetric=False).hear_rtcp((THERE[0], 9), of_source=True)


def test_rtcp_on_the_port_of_rtp_goes_where_rtp_goes():
    it = RemoteEnd(THERE, THERE, 0.0, signalling=SIGNALLING)
    it.hear(NAT, 0.0)
    assert it.rtcp_destination == NAT


def test_the_first_may_come_late_where_the_signalled_address_cannot_be_heard():
    it = end(behind_nat=lambda host: host == THERE[0])
    assert it.rank(STRANGER, 1e6) is Rank.ELSEWHERE
    it.hear(STRANGER, 1e6)
    assert it.rank(OTHER, 1e6) is None
    assert end(behind_nat=lambda host: True, latch=0.0).rank(STRANGER, 0.0) is None


def test_the_time_for_a_latch_begins_anew_with_each_agreement_until_something_is_heard():
    it = end()
    it.agree(THERE, THERE_RTCP, 60.0)  # it rang for a minute
    assert it.rank(STRANGER, 69.9) is Rank.ELSEWHERE
    assert it.rank(STRANGER, 70.0) is None
    it.agree(THERE, THERE_RTCP, 100.0)
    assert it.rank(STRANGER, 100.0) is Rank.ELSEWHERE
    it.hear(NAT, 101.0)
    it.agree(THERE, THERE_RTCP, 200.0)
    assert it.rank(STRANGER, 200.0) is None


# In a stream.


MOVED = (THERE[0], 40000)


def test_a_nat_that_gives_another_port_loses_no_packet(stream):
    heard(stream, 50)
    heard(stream, 50, first=50, address=MOVED, start=1.0)
    assert stream.destination == MOVED
    assert stream.statistics.packets_received == 100
    assert stream.statistics.lost == 0
    # And again, and back.
    heard(stream, 50, first=100, address=(THERE[0], 40002), start=2.0)
    assert stream.destination == (THERE[0], 40002)
    heard(stream, 50, first=150, start=3.0)
    assert stream.destination == THERE
    assert stream.statistics.packets_received == 200


def test_another_stream_at_the_host_is_heard_after_a_silence(stream):
    heard(stream, 50)
    heard(stream, 50, ssrc=88, address=MOVED, start=1.0)
    assert stream.destination == THERE
    heard(stream, 50, first=100, ssrc=88, address=MOVED, start=5.0)
    assert stream.destination == MOVED
    assert stream.statistics.packets_received == 100
    # The signalled address takes over at once all the same.
    heard(stream, 2, first=500, ssrc=99, start=6.0)
    assert stream.destination == THERE
    assert stream.statistics.packets_received == 102


def test_reports_follow_a_port_that_has_moved():
    it = end()
    it.hear(THERE, 0.0)
    it.hear_rtcp(THERE_RTCP, of_source=True)
    it.hear(MOVED, 1.0)
    it.hear_rtcp((THERE[0], 40001), of_source=True)
    assert it.rtcp_destination == (THERE[0], 40001)


HERE6, THERE6, STRANGER6 = "2001:db8::1", ("2001:db8::2", 5000), ("2001:db8::66", 666, 0, 0)


def test_the_old_stream_does_not_take_media_back_over_ipv6(tokens):
    """Packets have a flow label and a scope in their address, which descriptions have not."""
    settings = dataclasses.replace(SETTINGS, remote=THERE6, remote_rtcp=None)
    stream = AudioStream(settings, 0.0, tokens, signalling=HERE6)
    old = (*THERE6, 0, 0)
    heard(stream, 50, ssrc=66, address=STRANGER6)
    assert stream.destination == STRANGER6
    heard(stream, 50, address=old, start=1.0)
    assert stream.destination == THERE6
    moved = ("2001:db8::2", 6000)
    stream.apply(dataclasses.replace(settings, remote=moved), 2.0)
    heard(stream, 50, first=50, address=old, start=2.0)
    assert stream.destination == moved
    heard(stream, 50, first=100, address=(*moved, 0, 0), start=3.0)
    heard(stream, 50, ssrc=66, address=STRANGER6, start=4.0)
    heard(stream, 50, first=150, address=old, start=5.0)
    assert stream.destination == moved
    assert stream.statistics.packets_received == 50 + 50 + 50 + 50


def test_who_sends_from_the_signalled_address_takes_the_call_back_at_once(stream):
    heard(stream, 50, ssrc=66, address=STRANGER)
    assert stream.destination == STRANGER
    heard(stream, 2, first=900, ssrc=77, start=1.0)
    assert stream.destination == THERE
    assert [event for event in stream.events if isinstance(event, DestinationLearnt)] == [
        DestinationLearnt(STRANGER, THERE),
        DestinationLearnt(THERE, THERE),
    ]
    before = stream.statistics
    assert heard(stream, 50, first=50, ssrc=66, address=STRANGER, start=5.0)[-1] is not None
    assert stream.destination == THERE
    after = stream.statistics
    assert after.packets_received == before.packets_received
    assert after.ignored == before.ignored + 50


def test_a_phone_behind_a_nat_takes_it_back_from_a_stranger_too(stream):
    heard(stream, 50, ssrc=66, address=STRANGER)
    heard(stream, 2, first=900, ssrc=77, address=NAT, start=1.0)
    assert stream.destination == NAT


def test_a_stream_that_goes_on_from_the_new_address_is_heard_with_its_first_packet(stream):
    heard(stream, 50)
    moved = ("192.0.2.9", 6000)
    stream.apply(dataclasses.replace(SETTINGS, remote=moved), 1.0)
    out = heard(stream, 50, first=50, address=moved, start=1.0)
    assert stream.statistics.lost == stream.statistics.concealed == 0
    assert stream.statistics.packets_received == 100
    assert stream.destination == moved
    assert out[-1] is not None


def test_the_old_address_does_not_hold_media_back(stream):
    heard(stream, 50)
    moved = (THERE[0], 6000)
    stream.apply(dataclasses.replace(SETTINGS, remote=moved), 1.0)
    for n in range(50):
        heard(stream, 1, first=50 + n, start=1.0 + n * 0.02)
        assert stream.destination == moved
    assert stream.statistics.packets_received == 100  # heard still, until the new one is
    heard(stream, 2, first=700, ssrc=88, address=moved, start=2.0)
    heard(stream, 10, first=100, start=2.05)
    assert stream.statistics.packets_received == 102


def test_inventors_of_sources_keep_nobody_from_being_heard(stream):
    """Each packet of theirs is of another source; the other side's come in between."""
    for n in range(100):
        for m in range(20):
            heard(stream, 1, first=m, ssrc=1000 + 20 * n + m, address=STRANGER, start=n * 0.02)
        heard(stream, 1, first=n, address=NAT, start=n * 0.02)
    assert stream.destination == NAT
    assert stream.statistics.packets_received == 100


def test_inventors_of_the_same_rank_leave_others_a_place(stream):
    for n in range(10):
        heard(stream, 1, first=n, address=OTHER, start=n * 0.02)
        for m in range(20):
            heard(stream, 1, first=m, ssrc=1000 + 20 * n + m, address=STRANGER, start=n * 0.02)
    assert stream.destination == OTHER


def test_reports_of_strangers_are_not_read(stream):
    heard(stream, 10)
    report = build_compound([ReceiverReport(5), SourceDescription.cname(5, "mallory")])
    before = stream._reports.schedule._average_size
    stream.receive_rtcp(report, STRANGER, 1.0)
    assert stream._reports.schedule.members == 2
    assert stream._reports.schedule._average_size == before
    assert stream.statistics.ignored == 1
    stream.receive_rtcp(report, (SIGNALLING, 5), 1.0)
    assert stream._reports.schedule.members == 3


def test_a_strangers_packets_prove_no_address_but_his(tokens):
    stream = AudioStream(SETTINGS, 0.0, tokens, signalling=SIGNALLING, unproven=5.0, latch=0.0)
    heard(stream, 50, address=STRANGER)
    assert sent(stream, 0.0, 10.0) == 250


def goodbye(*sources):
    return build_compound([ReceiverReport(5), SourceDescription.cname(5, "x"), Goodbye(sources)])


def test_a_goodbye_is_believed_of_the_source_from_where_it_is(stream):
    stream.receive_rtcp(goodbye(77), THERE_RTCP, 0.0)  # before it is heard
    heard(stream, 10)
    stream.receive_rtcp(goodbye(77), (SIGNALLING, 5), 0.2)  # from a host that takes part
    stream.receive_rtcp(goodbye(78), THERE_RTCP, 0.2)  # of another source
    assert not any(isinstance(event, RemoteLeft) for event in stream.events)
    stream.receive_rtcp(goodbye(78, 77), THERE_RTCP, 0.2)
    assert isinstance(stream.events.pop(), RemoteLeft)
