"""Flows that a request is to take, and dialogs by a connection that their peer has opened: a phone
behind a NAT, whose Contact leads nowhere (RFC 5626 §1, RFC 3261 §12.2.1.1).
"""

import asyncio
import socket

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Flow, NextHop, Request
from sipparty.sip.core import FlowWanted
from sipparty.sip.events import CallEstablished

LOOPBACK = "127.0.0.1"
PATIENCE = 10


@pytest.fixture
async def bob():
    """A party that listens by UDP and TCP: `udp` and `tcp` are its endpoints."""
    engine = Engine(asyncio.get_running_loop())
    party = NoMediaSimpleCallsParty("bob@biloxi.com", engine=engine)
    party.CLOSE_TIMEOUT = 0.0
    party.news = asyncio.Queue()

    async def note(event):
        party.news.put_nowait(event)

    async def answer(event):
        event.incoming.respond(200)
        party.news.put_nowait(event.incoming)

    party.on(CallEstablished, note)
    party.on_request("MESSAGE", answer)
    party.listen(None, address=LOOPBACK, transport=("UDP", "TCP"))
    party.udp, party.tcp = party._endpoints
    yield party
    await party.aclose()
    await engine.aclose()


class Phone:
    """The raw inside of a NAT: whatever it says, it can be reached by what it has opened."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.tag = ""

    async def read(self):
        """A message without a body, or its head."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.split("Content-Length: ")[1].split()[0])
            await self.reader.readexactly(length)
            return head

    def say(self, method, contact, *more):
        lines = [
            f"{method} sip:bob@biloxi.com SIP/2.0",
            f"Via: SIP/2.0/TCP 10.1.1.1;branch=z9hG4bK{method}",
            "From: <sip:phone@atlanta.com>;tag=1",
            f"To: <sip:bob@biloxi.com>{self.tag}",
            "Call-ID: 1@10.1.1.1",
            f"CSeq: 1 {'INVITE' if method == 'ACK' else method}",
            "Max-Forwards: 70",
            f"Contact: <sip:phone@{contact}>",
            *more,
        ]
        body = ""
        if method == "INVITE":
            body = "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n"
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    async def call(self, contact, *more):
        """Have a call, up to the ACK."""
        self.say("INVITE", contact, *more)
        while not (head := await self.read()).startswith("SIP/2.0 200"):
            pass
        self.tag = next(
            line.partition(">")[2] for line in head.split("\r\n") if line.startswith("To:")
        )
        self.say("ACK", contact)


@pytest.fixture
async def phone(bob):
    reader, writer = await asyncio.open_connection(*bob.tcp.address)
    yield Phone(reader, writer)
    writer.transport.abort()


@pytest.fixture
async def server(accept):
    """A server by TCP that others can reach."""
    server = await accept()
    server.port = server.address[1]
    return server


async def head_at(server):
    """The first message that comes to a server, without its body."""
    peer = await server.peer()
    async with asyncio.timeout(PATIENCE):
        return (await peer.reader.readuntil(b"\r\n\r\n")).decode()


async def news(bob):
    return await asyncio.wait_for(bob.news.get(), PATIENCE)


@pytest.fixture
async def flow(bob, phone):
    """The flow of a request that the phone has sent by TCP."""
    phone.say("MESSAGE", "10.1.1.1;transport=tcp")
    message = await news(bob)
    assert (await phone.read()).startswith("SIP/2.0 200")
    return message.flow


@pytest.fixture
def datagrams():
    """A UDP socket that is the outside of a NAT."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((LOOPBACK, 0))
        made.setblocking(False)
        yield made


async def receive(datagrams):
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(datagrams, 65536), PATIENCE)


def by_udp(bob, datagrams):
    return bob.udp.flow_to(*datagrams.getsockname())


class User:
    """Who wants a flow."""

    def __init__(self):
        self.outcome = asyncio.get_running_loop().create_future()

    def flow_found(self, flow):
        self.outcome.set_result(flow)

    def flow_failed(self, reason):
        self.outcome.set_result(reason)


@pytest.fixture
def find(bob):
    async def find(hop, carrier, **more):
        user = User()
        wanted = FlowWanted(bob._agent, hop, carrier, user, **more)
        bob.engine.run(bob.engine.hub.find, wanted)
        return await asyncio.wait_for(user.outcome, PATIENCE)

    return find


# ---------------------------------------------------------------- a flow that is asked for

#: What leads nowhere: an address of documentation (RFC 5737), and a name that is none (RFC 6761).
NOWHERE = ("192.0.2.9", "192.0.2.9;transport=tcp", "phone.invalid", "192.0.2.9;transport=udp")


@pytest.mark.parametrize("contact", NOWHERE)
async def test_a_call_takes_the_connection_that_it_is_given(bob, phone, flow, contact):
    bob.invite(f"sip:phone@{contact}", flow=flow)
    assert (await phone.read()).startswith(f"INVITE sip:phone@{contact} SIP/2.0\r\n")


@pytest.mark.parametrize("contact", NOWHERE)
async def test_a_request_takes_the_connection_that_it_is_given(bob, phone, flow, contact):
    bob.send(Request("OPTIONS", f"sip:phone@{contact}"), flow=flow)
    assert (await phone.read()).startswith(f"OPTIONS sip:phone@{contact} SIP/2.0\r\n")


@pytest.mark.parametrize("contact", NOWHERE)
async def test_by_udp_it_goes_to_the_flows_other_end(bob, datagrams, contact):
    flow = by_udp(bob, datagrams)
    bob.invite(f"sip:phone@{contact}", flow=flow)
    assert (await receive(datagrams)).startswith(f"INVITE sip:phone@{contact} ".encode())
    bob.send(Request("OPTIONS", f"sip:phone@{contact}"), flow=flow)
    while not (data := await receive(datagrams)).startswith(b"OPTIONS"):
        pass
    assert f"Via: SIP/2.0/UDP {LOOPBACK}:{bob.udp.address[1]}".encode() in data


async def test_what_is_too_large_for_udp_takes_it_all_the_same(bob, datagrams, find):
    flow = by_udp(bob, datagrams)
    assert await find(NextHop("192.0.2.9"), flow, reliable=True) == flow


async def test_a_flow_that_has_failed_is_not_taken_again(bob, flow, find, server):
    hop = NextHop(LOOPBACK, server.port, "TCP")
    found = await find(hop, flow, tried=((flow.transport, *flow.remote),))
    assert found.remote == (LOOPBACK, server.port)


async def test_a_flow_that_has_ended_is_not_taken(bob, phone, flow, find, server, eventually):
    phone.writer.close()
    await eventually(lambda: flow.endpoint.closed)
    found = await find(NextHop(LOOPBACK, server.port, "TCP"), flow)
    assert found.remote == (LOOPBACK, server.port)


async def test_a_flow_that_nothing_carries_is_not_taken(find, server):
    hop = NextHop(LOOPBACK, server.port, "TCP")
    found = await find(hop, Flow("TCP", (LOOPBACK, 5060), ("192.0.2.9", 5060)))
    assert found.remote == (LOOPBACK, server.port)


async def test_a_sips_uri_does_not_take_what_is_not_secure(flow, find, free_port):
    """Nor does it where nothing else is to be had (RFC 3261 §26.2.2)."""
    reason = await find(NextHop(LOOPBACK, free_port, None, True), flow)
    assert isinstance(reason, str)


# ---------------------------------------------------------------- inside of a call


async def test_requests_in_a_call_find_the_connection_that_is_there(bob, phone, free_port):
    contact = f"127.0.0.9:{free_port};transport=tcp"  # it is not the address that it came from
    await phone.call(contact)
    event = await news(bob)
    event.call.terminate()
    assert (await phone.read()).startswith(f"BYE sip:phone@{contact} SIP/2.0\r\n")


async def test_where_the_contact_can_be_reached_they_go_there(bob, phone, server):
    await phone.call(f"{LOOPBACK}:{server.port};transport=tcp")
    event = await news(bob)
    event.call.terminate()
    assert (await head_at(server)).startswith("BYE ")


async def test_where_there_is_a_route_set_they_go_to_its_host(bob, phone, server, free_port):
    route = f"<sip:{LOOPBACK}:{server.port};transport=tcp;lr>"
    await phone.call(f"{LOOPBACK}:{free_port};transport=tcp", f"Record-Route: {route}")
    event = await news(bob)
    event.call.terminate()
    head = await head_at(server)
    assert head.startswith("BYE ")
    assert f"Route: {route}\r\n" in head


async def test_a_call_keeps_the_flow_that_it_was_given(bob, datagrams):
    bob.invite("sip:phone@192.0.2.9", flow=by_udp(bob, datagrams))
    invite = (await receive(datagrams)).decode()
    kept = [
        x for x in invite.split("\r\n") if x.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")
    ]
    body = "v=0\r\no=- 1 1 IN IP4 10.1.1.1\r\ns=-\r\nc=IN IP4 10.1.1.1\r\nt=0 0\r\n"
    lines = [
        "SIP/2.0 200 OK",
        *kept,
        "To: <sip:phone@192.0.2.9>;tag=2",
        "Contact: <sip:phone@192.0.2.9>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(body)}",
    ]
    datagrams.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), bob.udp.address)
    while not (await receive(datagrams)).startswith(b"ACK sip:phone@192.0.2.9 "):
        pass
    event = await news(bob)
    event.call.terminate()
    while not (await receive(datagrams)).startswith(b"BYE sip:phone@192.0.2.9 "):
        pass
