"""Finding targets: the rules without I/O, then against DNS servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import sys

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import TransportError
from sipparty.transport import nameservers
from sipparty.transport.nameservers import Answered, DNSLookup, SystemLookup
from sipparty.transport.resolver import HostsFile, Resolver
from sipparty.transport.target_health import TargetHealth
from sipparty.transport.targets import (
    MAX_TARGETS,
    NAPTR,
    SRV,
    TRANSPORTS,
    Answer,
    NextHop,
    Question,
    RecordType,
    ResolveError,
    Target,
    locate,
    order_srv,
)

ALL = ("UDP", "TCP", "TLS")

#: The zones of the tests: name, type, and the records in the DNS's own words.
ZONES = {
    # RFC 3263 §4.1's example.
    ("example.com", "NAPTR"): [
        '50 50 "s" "SIPS+D2T" "" _sips._tcp.example.com.',
        '90 50 "s" "SIP+D2T" "" _sip._tcp.example.com.',
        '100 50 "s" "SIP+D2U" "" _sip._udp.example.com.',
    ],
    ("_sips._tcp.example.com", "SRV"): ["0 1 5061 server1.example.com."],
    ("_sip._tcp.example.com", "SRV"): [
        "0 1 5060 server1.example.com.",
        "1 2 5070 server2.example.com.",
    ],
    ("_sip._udp.example.com", "SRV"): ["0 1 5060 server2.example.com."],
    ("server1.example.com", "A"): ["192.0.2.1"],
    ("server1.example.com", "AAAA"): ["2001:db8::1"],
    ("server2.example.com", "A"): ["192.0.2.2"],
    # No NAPTR records.
    ("_sip._tcp.srv.example", "SRV"): ["0 1 5060 server1.example.com."],
    ("_sip._udp.srv.example", "SRV"): ["0 1 5062 server2.example.com."],
    ("_sips._tcp.srv.example", "SRV"): ["0 1 5063 server2.example.com."],
    # Addresses alone.
    ("plain.example", "A"): ["192.0.2.3"],
    # Nothing on offer.
    ("_sip._udp.none.example", "SRV"): ["0 0 0 ."],
    ("none.example", "A"): ["192.0.2.9"],
    # Somewhere else, by an alias.
    ("alias.example", "CNAME"): ["plain.example."],
}


def questions_asked(machine, zones=ZONES):
    """Run a machine on zones; return the batches that it asked, and its targets."""
    batches = []
    try:
        questions = next(machine)
        while True:
            batches.append([f"{question.name} {question.type.value}" for question in questions])
            questions = machine.send(tuple(from_zones(question, zones) for question in questions))
    except StopIteration as done:
        return batches, done.value


def from_zones(question, zones):
    texts = zones.get((question.name, question.type.value), [])
    if isinstance(texts, str):
        return Answer((), texts)
    return Answer(tuple(record(question.type, text) for text in texts))


def record(kind, text):
    words = text.split()
    if kind is RecordType.SRV:
        return SRV(*map(int, words[:3]), words[3].rstrip("."))
    if kind is RecordType.NAPTR:
        order, preference, flags, service, regexp, replacement = words
        quoted = [word.strip('"') for word in (flags, service, regexp)]
        return NAPTR(int(order), int(preference), *quoted, replacement.rstrip("."))
    return text


def find(destination, transports=ALL, zones=ZONES, draws=(0.0,), **options):
    if isinstance(destination, str):
        destination = NextHop(destination)
    machine = locate(
        destination, transports=transports, random=itertools.cycle(draws).__next__, **options
    )
    batches, targets = questions_asked(machine, zones)
    return batches, [(target.transport, target.address, target.port) for target in targets]


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("destination", "target"),
    [
        (NextHop("192.0.2.1"), ("UDP", "192.0.2.1", 5060)),
        (NextHop("192.0.2.1", 5080), ("UDP", "192.0.2.1", 5080)),
        (NextHop("192.0.2.1", transport="TCP"), ("TCP", "192.0.2.1", 5060)),
        (NextHop("192.0.2.1", transport="tls"), ("TLS", "192.0.2.1", 5061)),
        (NextHop("192.0.2.1", secure=True), ("TLS", "192.0.2.1", 5061)),
        (NextHop("192.0.2.1", secure=True, transport="TCP"), ("TLS", "192.0.2.1", 5061)),
        (NextHop("[2001:DB8::1]"), ("UDP", "2001:db8::1", 5060)),
        (NextHop("2001:db8:0:0::1", 5070), ("UDP", "2001:db8::1", 5070)),
        (NextHop("example.com", maddr="192.0.2.7"), ("UDP", "192.0.2.7", 5060)),
    ],
)
def test_numeric_hosts_need_no_dns(destination, target):
    assert find(destination) == ([], [target])


def test_a_port_asks_for_addresses_alone():
    batches, targets = find(NextHop("server1.example.com", 5080))
    assert batches == [["server1.example.com AAAA", "server1.example.com A"]]
    assert targets == [
        ("UDP", "2001:db8::1", 5080),
        ("UDP", "192.0.2.1", 5080),
    ]
    assert find(NextHop("plain.example", 5060, secure=True))[1] == [("TLS", "192.0.2.3", 5060)]


def test_a_transport_asks_for_its_services():
    batches, targets = find(NextHop("example.com", transport="TCP"))
    assert batches[0] == ["_sip._tcp.example.com SRV"]
    assert targets == [
        ("TCP", "2001:db8::1", 5060),
        ("TCP", "192.0.2.1", 5060),
        ("TCP", "192.0.2.2", 5070),
    ]
    assert find(NextHop("example.com", transport="TLS"))[0][0] == ["_sips._tcp.example.com SRV"]
    batches, targets = find(NextHop("plain.example", transport="TCP"))
    assert batches[1] == ["plain.example AAAA", "plain.example A"]
    assert targets == [("TCP", "192.0.2.3", 5060)]


def test_naptr_chooses_the_transport():
    batches, targets = find("example.com")
    assert batches == [
        ["example.com NAPTR"],
        ["_sips._tcp.example.com SRV"],
        ["server1.example.com AAAA", "server1.example.com A"],
    ]
    assert {transport for transport, _, _ in targets} == {"TLS"}
    # What we do not have is passed over, and so is what sips cannot use.
    assert {target[0] for target in find("example.com", ("UDP", "TCP"))[1]} == {"TCP"}
    assert find("example.com", ("UDP",))[1] == [("UDP", "192.0.2.2", 5060)]
    assert {t[0] for t in find(NextHop("example.com", secure=True))[1]} == {"TLS"}


def test_naptr_records_that_do_not_fit_are_passed_over():
    zones = ZONES | {
        ("x.example", "NAPTR"): [
            '1 1 "u" "SIP+D2T" "" _sip._tcp.example.com.',
            '2 1 "s" "SIP+D2T" "!^.*$!x!" _sip._tcp.example.com.',
            '3 1 "s" "E2U+sip" "" _sip._tcp.example.com.',
            '4 1 "s" "SIP+D2X" "" _sip._tcp.example.com.',
            '5 1 "s" "SIP+D2T" "" .',
            '6 2 "S" "sip+d2u" "" _sip._udp.example.com.',
            '6 1 "s" "SIP+D2T" "" _sip._tcp.example.com.',
            '7 1 "s" "SIPS+D2T" "" _sips._tcp.example.com.',
        ]
    }
    batches, targets = find("x.example", zones=zones)
    assert batches[1] == ["_sip._tcp.example.com SRV", "_sip._udp.example.com SRV"]
    assert [target[0] for target in targets] == ["TCP"] * 3 + ["UDP"]


def test_without_naptr_services_are_tried():
    batches, targets = find("srv.example", ("TCP", "UDP", "TLS"))
    assert batches[1] == ["_sip._tcp.srv.example SRV", "_sip._udp.srv.example SRV"]
    assert [target[::2] for target in targets] == [("TCP", 5060)] * 2 + [("UDP", 5062)]
    assert find(NextHop("srv.example", secure=True))[1] == [("TLS", "192.0.2.2", 5063)]
    # TLS serves a sip: URI where we have nothing else.
    assert find("srv.example", ("TLS",))[1] == [("TLS", "192.0.2.2", 5063)]


def test_without_any_records_there_are_defaults():
    batches, targets = find("plain.example")
    assert [batch[0].split()[1] for batch in batches] == ["NAPTR", "SRV", "AAAA"]
    assert targets == [("UDP", "192.0.2.3", 5060)]
    assert find(NextHop("plain.example", secure=True))[1] == [("TLS", "192.0.2.3", 5061)]
    assert find("plain.example", ("TLS", "TCP"))[1] == [("TCP", "192.0.2.3", 5060)]
    assert find("plain.example", ("WSS",))[1] == [("WSS", "192.0.2.3", 443)]


def test_a_naptr_record_that_leads_nowhere_still_chooses_the_transport():
    zones = {
        ("x.example", "NAPTR"): ['1 1 "s" "SIP+D2T" "" _sip._tcp.gone.example.'],
        ("x.example", "A"): ["192.0.2.3"],
    }
    assert find("x.example", zones=zones)[1] == [("TCP", "192.0.2.3", 5060)]


def test_websockets():
    assert find(NextHop("192.0.2.1", transport="WS"), ("WS", "WSS"))[1][0][::2] == ("WS", 80)
    wss = NextHop("192.0.2.1", transport="WS", secure=True)
    assert find(wss, ("WS", "WSS"))[1][0][::2] == ("WSS", 443)


def test_large_requests_avoid_udp():
    def transports(destination, have=ALL, **zones):
        targets = find(destination, have, reliable=True, **zones)[1]
        return list(dict.fromkeys(target[0] for target in targets))

    assert transports("192.0.2.1") == ["TCP", "UDP"]
    assert transports(NextHop("plain.example", 5060)) == ["TCP", "UDP"]
    assert transports("plain.example") == ["TCP", "UDP"]
    assert transports(NextHop("srv.example", transport="UDP")) == ["TCP", "UDP"]
    assert transports("srv.example") == ["TCP", "UDP"]
    assert transports("example.com", ("UDP", "TCP")) == ["TCP", "UDP"]
    assert transports("192.0.2.1", ("UDP",)) == ["UDP"]
    assert transports("192.0.2.1", ("TCP",)) == ["TCP"]
    assert transports(NextHop("192.0.2.1", secure=True)) == ["TLS"]


def test_families():
    zone = {("x", "AAAA"): ["2001:db8::1", "2001:db8::2", "2001:db8::3"], ("x", "A"): ["192.0.2.1"]}
    destination = NextHop("x", 5060)

    def addresses(*families):
        return [target[1] for target in find(destination, zones=zone, families=families)[1]]

    six, four = RecordType.AAAA, RecordType.A
    assert addresses(six, four) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]
    assert addresses(four, six) == ["192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert addresses(four) == ["192.0.2.1"]
    with pytest.raises(ResolveError, match="of a kind that we cannot send to"):
        find("2001:db8::1", families=[four])


def test_the_name_to_verify_is_the_uri_s():
    for destination in (
        NextHop("example.com"),
        NextHop("example.com", secure=True),
        NextHop("example.com", maddr="server2.example.com"),
        NextHop("example.com.", 5061, "TLS", maddr="192.0.2.1"),
    ):
        machine = locate(destination, transports=ALL, random=lambda: 0.0)
        assert {target.server_name for target in questions_asked(machine)[1]} == {"example.com"}


@pytest.mark.parametrize(
    ("destination", "transports", "expected"),
    [
        (NextHop("x.example"), ALL, "No target found for sip:x.example: no such name"),
        (NextHop("none.example"), ("UDP",), "says that the service is not available"),
        (
            NextHop("x", transport="SCTP"),
            ALL,
            "transport that is not at hand: we have UDP, TCP",
        ),
        (NextHop("x", transport="???"), ALL, "transport that is not at hand"),
        (NextHop("x", transport="UDP", secure=True), ALL, "not at hand: we have TLS"),
        (NextHop("1.2.3.4", secure=True), ("UDP", "TCP"), "No transport is at hand"),
        (NextHop("x", transport="TLS"), ("UDP",), "asks for a transport"),
        (NextHop(""), ALL, "names no host"),
    ],
)
def test_what_cannot_be_found(destination, transports, expected):
    with pytest.raises(ResolveError, match=expected.replace("?", r"\?")) as caught:
        find(destination, transports)
    assert isinstance(caught.value, TransportError)


def test_failures_are_told_where_nothing_is_found():
    zones = {("x", "NAPTR"): "NAPTR: silence", ("x", "A"): "A: silence"}
    with pytest.raises(ResolveError, match="sip:x: NAPTR: silence; A: silence"):
        find("x", zones=zones)
    # One that does not matter does not count.
    assert find("x", zones=zones | {("x", "A"): ["192.0.2.1"]})[1]


def test_a_stranger_s_records_are_bounded():
    many = [f"{number} 1 5060 h{number}.example." for number in range(500)]
    zones = {("_sip._udp.x", "SRV"): many} | {
        (f"h{number}.example", "A"): [
            f"10.{number // 256}.{number % 256}.{part}" for part in range(5)
        ]
        for number in range(500)
    }
    batches, targets = find("x", ("UDP",), zones=zones)
    assert len(targets) == MAX_TARGETS
    assert len(batches[-1]) == 2 * MAX_TARGETS


def test_srv_records_by_priority_and_weight():
    a, b, c, d = SRV(2, 0, 1, "a"), SRV(1, 10, 1, "b"), SRV(1, 30, 1, "c"), SRV(1, 0, 1, "d")

    def order(*draws):
        return [one.target for one in order_srv([a, b, c, d], itertools.cycle(draws).__next__)]

    # Sums: d 0, b 10, c 40. A draw of 0 takes d, up to 10 b, up to 40 c (RFC 2782).
    assert order(0.0) == ["d", "b", "c", "a"]
    assert order(1.5 / 41) == ["b", "c", "d", "a"]
    assert order(10.5 / 41, 0.0) == ["b", "d", "c", "a"]
    assert order(11.5 / 41, 0.0) == ["c", "d", "b", "a"]
    assert order(0.999999) == ["c", "b", "d", "a"]


def test_weights_share_the_load():
    records = [SRV(0, 1, 1, "a"), SRV(0, 3, 1, "b")]
    firsts = [order_srv(records, lambda at=at: at / 1000)[0].target for at in range(1000)]
    assert firsts.count("b") == 600  # of 0 to 4, 2 to 4 are b's
    alike = [SRV(0, 0, 1, name) for name in "abcd"]
    firsts = [order_srv(alike, lambda at=at: at / 1000)[0].target for at in range(1000)]
    assert {name: firsts.count(name) for name in "abcd"} == dict.fromkeys("abcd", 250)


@given(
    st.lists(
        st.builds(SRV, st.integers(0, 3), st.integers(0, 9), st.just(1), st.text(max_size=2)),
        max_size=64,
    ),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
)
def test_no_record_is_lost(records, draws):
    ordered = order_srv(records, itertools.cycle(draws).__next__)
    assert sorted(ordered) == sorted(records)
    assert [one.priority for one in ordered] == sorted(one.priority for one in records)


def test_the_table_of_transports():
    for name, row in TRANSPORTS.items():
        assert row.secure is None or TRANSPORTS[row.secure].secure == row.secure, name
        assert row.service.startswith("SIPS") is (row.secure == name)


# ---------------------------------------------------------------- what is down


T = [Target("UDP", f"192.0.2.{number}", 5060, "x") for number in range(4)]


def test_what_is_down_comes_last():
    down = TargetHealth(duration=32.0)
    down.mark(T[0], 0.0)
    down.mark(T[1], 5.0)
    assert down.order(T, 6.0) == [T[2], T[3], T[0], T[1]]
    assert down.order(T, 32.0) == [T[0], T[2], T[3], T[1]]
    assert down.order(T[:2], 6.0) == T[:2]
    down.clear(T[1])
    assert down.order(T, 40.0) == T
    assert len(down) == 0


def test_retry_after_is_kept_within_bounds():
    down = TargetHealth(duration=32.0, max_duration=100.0)
    down.mark(T[0], 0.0, retry_after=60.0)
    down.mark(T[1], 0.0, retry_after=1e9)
    down.mark(T[2], 0.0, retry_after=-5.0)
    assert [down.is_down(target, 59.0) for target in T] == [True, True, False, False]
    assert [down.is_down(target, 99.0) for target in T] == [False, True, False, False]
    assert not down.is_down(T[1], 100.0)


def test_a_target_is_down_whatever_its_name():
    down = TargetHealth()
    down.mark(T[0], 0.0)
    assert down.is_down(T[0]._replace(server_name="other"), 1.0)
    assert not down.is_down(T[0]._replace(transport="TCP"), 1.0)


def test_the_memory_of_what_is_down_is_bounded():
    down = TargetHealth(max_targets=2)
    for target in T:
        down.mark(target, 0.0)
    assert len(down) == 2
    assert down.order(T, 1.0) == T


# ---------------------------------------------------------------- the hosts file


def test_hosts_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text(
        "127.0.0.1 localhost # loopback\n192.0.2.1\tPBX.example pbx # x\n"
        "2001:db8::1 pbx\n192.0.2.2 pbx\n192.0.2.2 pbx\nnonsense\n999.1.1.1 bad\n\n"
    )
    hosts = HostsFile(path)

    def answer(name, kind=RecordType.A):
        found = hosts.answer(Question(name, kind))
        return None if found is None else found.records

    assert answer("pbx") == ("192.0.2.1", "192.0.2.2")
    assert answer("pbx", RecordType.AAAA) == ("2001:db8::1",)
    assert answer("PBX.Example", RecordType.AAAA) == ()
    assert answer("_sip._udp.pbx", RecordType.SRV) == ()
    assert answer("pbx", RecordType.NAPTR) == ()
    assert answer("bad") is None
    assert answer("biloxi.com") is None
    path.write_text("192.0.2.33 biloxi.com\n")
    assert answer("biloxi.com") == ("192.0.2.33",)
    assert answer("pbx") is None
    path.unlink()
    assert answer("biloxi.com") is None
    assert answer("localhost") == ("127.0.0.1",)
    assert answer("a.localhost", RecordType.AAAA) == ("::1",)
    assert HostsFile(None).answer(Question("pbx", RecordType.A)) is None


# ---------------------------------------------------------------- a DNS server


class Server(asyncio.DatagramProtocol):
    """A DNS server on loopback, UDP and TCP on one port, that remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.was_asked = asyncio.Event()
        self.zones = {}
        self.ttl = 60
        self.soa = True
        #: Names that get SERVFAIL, and ones whose answers UDP truncates.
        self.failing, self.truncated = set(), set()
        #: Set it to have answers wait.
        self.gate = None
        self.tasks = set()

    async def start(self):
        loop = asyncio.get_running_loop()
        for _ in range(20):
            self.tcp = await asyncio.start_server(self.connected, "127.0.0.1", 0)
            self.port = self.tcp.sockets[0].getsockname()[1]
            try:
                self.udp, _ = await loop.create_datagram_endpoint(
                    lambda: self, local_addr=("127.0.0.1", self.port)
                )
            except OSError:
                self.tcp.close()
                continue
            return
        pytest.fail("no port is free for both UDP and TCP")

    def stop(self):
        self.udp.close()
        self.tcp.close()
        for task in self.tasks:
            task.cancel()

    async def until_asked(self, count):
        while len(self.asked) < count:
            self.was_asked.clear()
            await self.was_asked.wait()

    def datagram_received(self, data, peer):
        task = asyncio.ensure_future(self.reply(data, peer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def reply(self, data, peer):
        answer = await self.answer(data, "UDP")
        if not self.udp.is_closing():
            self.udp.sendto(answer, peer)

    async def connected(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">H", await reader.readexactly(2))
                answer = await self.answer(await reader.readexactly(size), "TCP")
                writer.write(struct.pack(">H", len(answer)) + answer)
                await writer.drain()
        writer.close()

    async def answer(self, data, transport):
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, transport))
        self.was_asked.set()
        if self.gate is not None:
            await self.gate.wait()
        response = dns.message.make_response(query)
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        if name in self.truncated and transport == "UDP":
            response.flags |= dns.flags.TC
            return response.to_wire()
        owner = question.name
        if (name, "CNAME") in self.zones:
            response.answer.append(self.rrset(owner, "CNAME", self.zones[name, "CNAME"]))
            owner = dns.name.from_text(self.zones[name, "CNAME"][0])
            name = owner.to_text(omit_final_dot=True)
        texts = self.zones.get((name, kind))
        if texts:
            response.answer.append(self.rrset(owner, kind, texts))
        else:
            if not any(other == name for other, _ in self.zones):
                response.set_rcode(dns.rcode.NXDOMAIN)
            if self.soa:
                soa = f"ns.example. root.example. 1 2 3 4 {self.ttl}"
                response.authority.append(self.rrset(dns.name.root, "SOA", [soa]))
        return response.to_wire()

    def rrset(self, owner, kind, texts):
        return dns.rrset.from_text_list(owner, self.ttl, dns.rdataclass.IN, kind, texts)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def server():
    server = Server()
    server.zones = dict(ZONES)
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def make(server):
    resolvers = []

    def build(lookup=None, **options):
        if lookup is None:
            lookup = DNSLookup([("127.0.0.1", server.port)], timeout=5.0, lifetime=10.0)
        options.setdefault("hosts", None)
        options.setdefault("clock", Clock())
        resolver = Resolver(lookup=lookup, chance=lambda: 0.0, **options)
        resolvers.append(resolver)
        return resolver

    yield build
    for resolver in resolvers:
        await resolver.close()


async def where(resolver, destination, **options):
    if isinstance(destination, str):
        destination = NextHop(destination)
    found = await resolver.resolve(destination, **options)
    return [(target.transport, target.address, target.port) for target in found]


@pytest.mark.parametrize("host", ["example.com", "srv.example", "plain.example"])
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("transports", [ALL, ("UDP", "TCP"), ("UDP",), ("TLS",)])
async def test_the_dns_and_the_rules_agree(make, host, secure, transports):
    destination = NextHop(host, secure=secure)
    try:
        expected = find(destination, transports)[1]
    except ResolveError:
        with pytest.raises(ResolveError):
            await where(make(transports=transports), destination)
    else:
        assert await where(make(transports=transports), destination) == expected


async def test_what_was_answered_is_kept(make, server):
    clock = Clock()
    resolver = make(clock=clock)
    first = await where(resolver, "srv.example")
    count = len(server.asked)
    assert count == 7  # NAPTR, two SRV, and the addresses of two hosts
    clock.now += 59
    assert await where(resolver, "SRV.Example") == first
    assert len(server.asked) == count
    clock.now += 2
    assert await where(resolver, "srv.example") == first
    assert len(server.asked) == 2 * count
    resolver.forget()
    await where(resolver, "srv.example")
    assert len(server.asked) == 3 * count


async def test_the_news_of_nothing_is_kept(make, server):
    clock = Clock()
    resolver = make(clock=clock, max_negative_ttl=50.0)
    for passed, asked in ((0, True), (49, False), (51, True)):
        clock.now = 1000.0 + passed
        before = len(server.asked)
        with pytest.raises(ResolveError, match="no such name"):
            await where(resolver, NextHop("gone.example", 5060))
        assert (len(server.asked) > before) is asked
    server.soa = False
    with pytest.raises(ResolveError, match="no such name"):
        await where(resolver, NextHop("lost.example", 5060))


async def test_ttls_are_bounded(make, server):
    server.ttl = 1_000_000
    clock = Clock()
    resolver = make(clock=clock, max_ttl=100.0)
    await where(resolver, NextHop("plain.example", 5060))
    clock.now += 101
    count = len(server.asked)
    await where(resolver, NextHop("plain.example", 5060))
    assert len(server.asked) > count


async def test_the_cache_is_bounded(make, server):
    resolver = make(max_entries=2, families=[RecordType.A])
    for number in range(5):
        server.zones[f"h{number}.example", "A"] = ["192.0.2.1"]
        await where(resolver, NextHop(f"h{number}.example", 5060))
    assert repr(resolver).startswith("<Resolver: 2 answers kept")
    count = len(server.asked)
    await where(resolver, NextHop("h4.example", 5060))
    assert len(server.asked) == count
    await where(resolver, NextHop("h0.example", 5060))
    assert len(server.asked) == count + 1


async def test_a_question_on_its_way_is_not_asked_again(make, server):
    server.gate = asyncio.Event()
    resolver = make()
    many = [
        asyncio.ensure_future(where(resolver, NextHop("plain.example", 5060))) for _ in range(10)
    ]
    await server.until_asked(2)
    many[0].cancel()  # who gives up does not take the others along
    await asyncio.wait(many[:1])
    server.gate.set()
    assert await asyncio.gather(*many[1:]) == [[("UDP", "192.0.2.3", 5060)]] * 9
    assert len(server.asked) == 2


async def test_truncated_answers_are_asked_for_over_tcp(make, server):
    server.zones["big.example", "A"] = [f"10.0.{number}.1" for number in range(200)]
    server.truncated.add("big.example")
    targets = await where(make(families=[RecordType.A]), NextHop("big.example", 5060))
    assert len(targets) == MAX_TARGETS
    assert [transport for _, _, transport in server.asked] == ["UDP", "TCP"]


async def test_an_alias_is_followed(make):
    assert await where(make(), NextHop("alias.example", 5060)) == [("UDP", "192.0.2.3", 5060)]


async def test_a_server_that_fails(make, server):
    server.failing |= {"example.com", "_sip._udp.example.com", "_sip._tcp.example.com"}
    with pytest.raises(
        ResolveError, match=r"NAPTR of 'example\.com': no name server gave an answer"
    ):
        await where(make(), "example.com")
    # A failure on the way is no reason to fail where there is another way.
    server.zones["example.com", "A"] = ["192.0.2.8"]
    server.failing.discard("example.com")
    server.zones.pop(("example.com", "NAPTR"))
    assert await where(make(), "example.com") == [("UDP", "192.0.2.8", 5060)]


async def test_a_failure_is_kept_a_short_while(make, server):
    server.failing.add("plain.example")
    clock = Clock()
    resolver = make(clock=clock, failure_ttl=5.0)
    destination = NextHop("plain.example", 5060)
    for now, asked in ((1000.0, True), (1004.0, False), (1006.0, True)):
        clock.now = now
        before = len(server.asked)
        with pytest.raises(ResolveError):
            await where(resolver, destination)
        assert (len(server.asked) > before) is asked
    server.failing.clear()
    clock.now += 6
    assert await where(resolver, destination)


async def test_a_dead_server_is_not_waited_for(make):
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))  # takes questions, and says nothing
        lookup = DNSLookup([deaf.getsockname()], timeout=0.02, lifetime=0.05)
        resolver = make(lookup)
        with pytest.raises(ResolveError, match="no name server answered in time"):
            await where(resolver, NextHop("plain.example", 5060))


async def test_a_silent_server_is_passed_over(make, server):
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("127.0.0.1", 0))
        both = [deaf.getsockname(), ("127.0.0.1", server.port)]
        lookup = DNSLookup(both, timeout=0.02, lifetime=10.0)
        assert await where(make(lookup), NextHop("plain.example", 5060)) == [
            ("UDP", "192.0.2.3", 5060)
        ]


async def test_a_resolve_ends_in_time(make):
    async def never(question):
        await asyncio.Event().wait()

    resolver = make(never, timeout=0.02)
    with pytest.raises(
        ResolveError, match=r"No target found for sip:x:5060: .*(took longer|in time)"
    ):
        await where(resolver, NextHop("x", 5060))


async def test_close_ends_what_waits(make):
    asked = asyncio.Event()

    async def never(question):
        asked.set()
        await asyncio.Event().wait()

    resolver = make(never)
    waiting = asyncio.ensure_future(where(resolver, NextHop("x", 5060)))
    await asked.wait()
    await resolver.close()
    with pytest.raises(ResolveError, match="the resolver was closed"):
        await waiting
    assert not resolver._asking


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "é\udcff.example", "\\", "." * 3])
async def test_names_that_cannot_be_asked(make, server, host):
    with pytest.raises(ResolveError):
        await where(make(), host)


async def test_the_hosts_file_comes_first(make, server, tmp_path):
    path = tmp_path / "hosts"
    path.write_text("192.0.2.77 example.com\n")
    resolver = make(hosts=path)
    assert await where(resolver, "example.com") == [("UDP", "192.0.2.77", 5060)]
    assert await where(resolver, "localhost") == [
        ("UDP", "::1", 5060),
        ("UDP", "127.0.0.1", 5060),
    ]
    assert server.asked == []


async def test_the_next_request_goes_to_a_live_target(make, server):
    server.zones |= {
        ("_sip._udp.trio.example", "SRV"): [
            "1 0 5060 a.example.", "2 0 5060 b.example.", "3 0 5060 c.example.",
        ],
        ("a.example", "A"): ["192.0.2.10"],
        ("b.example", "A"): ["192.0.2.20"],
        ("c.example", "A"): ["192.0.2.30"],
    }  # fmt: skip
    clock = Clock()
    resolver = make(clock=clock, transports=("UDP",))
    targets = await resolver.resolve(NextHop("trio.example"))
    assert [target.address for target in targets] == ["192.0.2.10", "192.0.2.20", "192.0.2.30"]
    resolver.mark_down(targets[0])  # dead
    resolver.mark_down(targets[1], retry_after=60.0)  # 503
    again = await resolver.resolve(NextHop("trio.example"))
    assert [target.address for target in again] == ["192.0.2.30", "192.0.2.10", "192.0.2.20"]
    clock.now += 33
    again = await resolver.resolve(NextHop("trio.example"))
    assert [target.address for target in again] == ["192.0.2.10", "192.0.2.30", "192.0.2.20"]
    resolver.mark_up(targets[1])
    assert await resolver.resolve(NextHop("trio.example")) == targets


async def test_transports_of_one_request(make):
    resolver = make()
    assert {t[0] for t in await where(resolver, "example.com", transports=("UDP",))} == {"UDP"}
    large = await where(resolver, "192.0.2.1", reliable=True)
    assert [target[0] for target in large] == ["TCP", "UDP"]


# ---------------------------------------------------------------- without dnspython


async def test_without_dnspython_the_system_is_asked(make, monkeypatch, caplog):
    monkeypatch.setattr(nameservers.importlib.util, "find_spec", lambda name: None)

    def getaddrinfo(host, port, family, **options):
        if family == socket.AF_INET6:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(family, 0, 0, "", ("192.0.2.5", 0))] * 2

    monkeypatch.setattr(nameservers.socket, "getaddrinfo", getaddrinfo)
    lookup = nameservers.default_lookup()
    assert "dnspython is not installed" in caplog.text
    assert await where(make(lookup), "biloxi.com") == [("UDP", "192.0.2.5", 5060)]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "A of 'x': try again"),
        (OSError("odd"), "odd"),
        (UnicodeError("label too long"), "label too long"),
    ],
)
async def test_the_system_may_fail(monkeypatch, error, failure):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(nameservers.socket, "getaddrinfo", fail)
    answered = await SystemLookup()(Question("x", RecordType.A))
    assert failure in answered.answer.failure


async def test_the_default_is_the_dns(monkeypatch):
    assert isinstance(nameservers.default_lookup(), DNSLookup)
    lookup = DNSLookup()

    def fail(*arguments, **options):
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.asyncresolver.Resolver", fail)
    answered = await lookup(Question("x", RecordType.A))
    assert answered == Answered(Answer((), "A of 'x': no name server is configured"))


def test_dnspython_is_imported_late():
    import subprocess

    code = "import sys, sipparty.transport.resolver; sys.exit('dns' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
