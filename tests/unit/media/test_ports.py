import asyncio
import socket
import sys
import time
import types

import pytest

from sipparty.errors import ListenError, UsageError
from sipparty.media import RTPSession, ports
from sipparty.media.ports import MAX_EARLY, RTPSocket, UDPTransport, open_port_pair
from sipparty.media.socket_poll import BATCH


def numbers(pair):
    return [sock.getsockname()[1] for sock in pair]


def close(*pairs):
    for pair in pairs:
        for sock in pair:
            sock.close()


@pytest.fixture
def free():
    """The first of four neighbouring ports that were free a moment ago, even."""
    for _ in range(100):
        pair = open_port_pair("127.0.0.1")
        first = numbers(pair)[0]
        close(pair)
        try:
            close(open_port_pair("127.0.0.1", (first + 2, first + 3)))
        except ListenError:
            continue
        return first
    pytest.skip("no four neighbouring ports are free")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_pair_is_an_even_port_and_the_next(address):
    try:
        pair = open_port_pair(address)
    except ListenError:
        pytest.skip(f"no {address} here")
    rtp, rtcp = numbers(pair)
    assert rtp % 2 == 0
    assert rtcp == rtp + 1
    assert not any(sock.getblocking() for sock in pair)
    close(pair)


def test_many_pairs_are_all_different():
    pairs = [open_port_pair("127.0.0.1") for _ in range(20)]
    assert len({number for pair in pairs for number in numbers(pair)}) == 40
    close(*pairs)


def test_a_range_is_kept_to_and_used_up(free):
    bounds = (free, free + 3)
    first = open_port_pair("127.0.0.1", bounds)
    second = open_port_pair("127.0.0.1", bounds)
    assert numbers(first) + numbers(second) == [free, free + 1, free + 2, free + 3]
    with pytest.raises(ListenError, match=f"{free}-{free + 3} on 127.0.0.1"):
        open_port_pair("127.0.0.1", bounds)
    close(first, second)


def test_where_to_begin_in_a_range_may_be_told(free):
    pair = open_port_pair("127.0.0.1", (free, free + 3), start=7)
    assert numbers(pair)[0] == free + 2
    close(pair)


def test_a_pair_whose_second_port_is_taken_is_passed_over(free):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", free + 1))
        pair = open_port_pair("127.0.0.1", (free, free + 3))
        assert numbers(pair)[0] == free + 2
        close(pair)


@pytest.mark.parametrize(
    "bounds", [(5001, 5002), (5000, 5000), (6000, 5000), (0, 10), (65536, 65540)]
)
def test_a_range_without_a_pair_is_refused(bounds):
    with pytest.raises(UsageError, match=r"even port and the next one"):
        open_port_pair("127.0.0.1", bounds)


@pytest.mark.parametrize("address", ["192.0.2.1", "example.invalid", "not an address", "\x00"])
def test_an_address_that_is_not_ours_is_refused_at_once(address):
    with pytest.raises(ListenError):
        open_port_pair(address, (10000, 60000))


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_port_reads_in_batches_and_sends():
    loop = asyncio.get_running_loop()
    one, two = (RTPSocket(loop, sock) for sock in open_port_pair("127.0.0.1"))
    got = []
    two.read(lambda data, address, now: got.append((data, address, now)), lambda: 42.0)
    for n in range(BATCH + 5):
        one.send(bytes((n,)), ("127.0.0.1", two.port))
    await asyncio.sleep(0)
    assert len(got) in (0, BATCH)
    await settle()
    assert got == [(bytes((n,)), ("127.0.0.1", one.port), 42.0) for n in range(BATCH + 5)]
    one.close()
    two.close()
    two.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not say when packets came")
@pytest.mark.parametrize(("later", "known"), [(1.0, True), (10.0, False), (-1.0, False)])
async def test_when_a_packet_came_is_what_the_kernel_says(monkeypatch, later, known):
    loop = asyncio.get_running_loop()
    one, two = (RTPSocket(loop, sock) for sock in open_port_pair("127.0.0.1"))
    clock = types.SimpleNamespace(time=lambda: time.time() + later)
    monkeypatch.setattr(ports, "time", clock)
    came = []
    two.read(lambda data, address, now: came.append(now), loop.time)
    began = loop.time()
    one.send(b"1", ("127.0.0.1", two.port))
    await settle()
    assert (came[0] < began - 0.5) is known
    one.close()
    two.close()


async def test_a_port_may_be_closed_by_what_it_reads():
    loop = asyncio.get_running_loop()
    one, two = (RTPSocket(loop, sock) for sock in open_port_pair("127.0.0.1"))
    got = []

    def take(data, address, now):
        got.append(data)
        two.close()

    two.read(take, loop.time)
    for n in range(3):
        one.send(bytes((n,)), ("127.0.0.1", two.port))
    await settle()
    assert got == [b"\x00"]
    one.close()


async def test_what_cannot_be_sent_is_counted(caplog):
    loop = asyncio.get_running_loop()
    one, two = (RTPSocket(loop, sock) for sock in open_port_pair("127.0.0.1"))
    one.send(b"x", ("255.255.255.255", 9))
    one.send(b"x" * 70000, ("127.0.0.1", two.port))
    assert one.failed == 2
    assert caplog.text.count("Sending media") == 1
    one.close()
    two.close()


def test_a_port_can_be_closed_after_its_loop():
    loop = asyncio.new_event_loop()
    ports = [RTPSocket(loop, sock) for sock in open_port_pair("127.0.0.1")]
    for port in ports:
        port.read(lambda *_: None, loop.time)
    loop.close()
    for port in ports:
        port.close()


# Both ports of a stream.


class Ear:
    def __init__(self):
        self.rtp, self.rtcp = [], []

    def take(self, pair, max_age=0.4):
        pair.deliver(
            lambda data, address, now: self.rtp.append(data),
            lambda data, address, now: self.rtcp.append(data),
            max_age,
        )


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
async def pair(now):
    made = UDPTransport(asyncio.get_running_loop(), "127.0.0.1", None, 0, lambda: now[0])
    yield made
    made.close()


@pytest.fixture
async def say(pair):
    """Send a datagram to a port of the pair, and have it read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

        async def send(data, port=pair.rtp):
            sock.sendto(data, ("127.0.0.1", port.port))
            for _ in range(3):
                await asyncio.sleep(0)

        yield send


async def test_what_comes_before_anybody_hears_is_kept_for_a_while(pair, now, say):
    pair.listen()
    await say(b"old")
    now[0] += 0.3
    pair.listen()
    await say(b"young")
    await say(b"report", pair.rtcp)
    now[0] += 0.2
    ear = Ear()
    ear.take(pair)
    assert (ear.rtp, ear.rtcp) == ([b"young"], [b"report"])
    await say(b"new")
    assert ear.rtp == [b"young", b"new"]
    pair.listen()  # changes nothing any more
    await say(b"newer")
    assert ear.rtp[2:] == [b"newer"]


async def test_what_is_kept_is_bounded(pair, say):
    pair.listen()
    for n in range(MAX_EARLY + 5):
        await say(b"%d" % n)
    ear = Ear()
    ear.take(pair)
    assert ear.rtp == [b"%d" % n for n in range(5, MAX_EARLY + 5)]


async def test_without_anybody_to_listen_nothing_is_read(pair, say):
    await say(b"waits")
    ear = Ear()
    ear.take(pair)
    assert ear.rtp == []
    await say(b"comes")
    assert ear.rtp == [b"waits", b"comes"]


async def test_what_hosts_of_the_call_send_is_not_displaced_by_others(pair, say):
    pair.listen(["192.0.2.1"])
    await say(b"other")
    pair.listen(["127.0.0.1"])
    await say(b"known")
    pair.listen(["192.0.2.1"])
    for n in range(MAX_EARLY):
        await say(b"%d" % n)
    ear = Ear()
    ear.take(pair)
    assert ear.rtp == [b"known", *(b"%d" % n for n in range(MAX_EARLY))]


@pytest.mark.parametrize(
    ("address", "level", "option"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    ],
)
def test_what_is_sent_is_marked(address, level, option):
    pair = open_port_pair(address, dscp=46)
    try:
        assert [sock.getsockopt(level, option) for sock in pair] == [46 << 2] * 2
    finally:
        for sock in pair:
            sock.close()


@pytest.mark.parametrize("dscp", [-1, 64, "EF", 1.5])
def test_a_code_point_has_six_bits(dscp):
    with pytest.raises(UsageError, match="no code point from 0 to 63"):
        RTPSession(dscp=dscp)
