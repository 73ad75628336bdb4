"""What all calls together send to hosts that have not shown that they want it."""

from sipparty.media.rtp.remote import RemoteEnd
from sipparty.sip.unproven import LEAST, MAX_HOSTS, REMEMBERED, UnprovenHosts

VICTIM = ("198.51.100.9", 9000)


def calls(hosts, count, packets, start=0.0):
    """Have calls send one after the other; how many packets they might."""
    sent = 0
    for n in range(count):
        begin = start + n * 1.0
        end = RemoteEnd(VICTIM, None, begin, signalling="203.0.113.1", unproven=5.0, hosts=hosts)
        sent += sum(end.may_send(VICTIM, begin + m * 0.02) for m in range(packets))
    return sent


def test_short_calls_without_end_get_no_more_than_one():
    assert calls(UnprovenHosts(), 100, 25) <= 270
    assert calls(UnprovenHosts(), 500, 1) <= 252


def test_calls_at_a_time_share():
    hosts = UnprovenHosts()
    ends = [RemoteEnd(VICTIM, None, 0.0, unproven=5.0, hosts=hosts) for _ in range(10)]
    sent = sum(end.may_send(VICTIM, m * 0.02) for m in range(500) for end in ends)
    assert sent <= 260


def test_who_sends_is_sent_to_again_in_every_call():
    hosts = UnprovenHosts()
    calls(hosts, 20, 50)
    assert calls(hosts, 1, 50, 20.0) == 0
    RemoteEnd(VICTIM, None, 21.0, unproven=5.0, hosts=hosts).hear(VICTIM, 21.0)
    assert len(hosts) == 0
    assert calls(hosts, 1, 50, 22.0) == 50


def test_it_is_forgotten_in_time():
    hosts = UnprovenHosts()
    hosts.sent("a", 5.0, 0.0)
    assert hosts.seconds("a", REMEMBERED - 1) == 5.0
    assert hosts.seconds("a", REMEMBERED) == 0.0
    hosts.sent("a", 0.0, REMEMBERED)
    assert hosts.seconds("a", REMEMBERED) == LEAST


def test_it_is_bounded():
    hosts = UnprovenHosts()
    for n in range(MAX_HOSTS + 10):
        hosts.sent(str(n), 1.0, 0.0)
        hosts.sent("0", 1.0, 0.0)
    assert len(hosts) == MAX_HOSTS
    assert hosts.seconds("0", 0.0) > MAX_HOSTS
    assert hosts.seconds("1", 0.0) == 0.0
