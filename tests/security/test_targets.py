"""Strangers who would have us send, or connect, to somebody else: by the maddr of a Via, by Contact
and by Record-Route.

Addresses of the loopback network stand for those of others; where a peer comes from the Internet,
the policy is told so.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from sipparty.sip.policy import Policy
from sipparty.sip.reach import is_within_reach
from sipparty.transport import Resolver

from ..faults.defender import PATIENCE
from ..faults.raw import dial, request
from ..interop.peer import wait_for

OTHER = "127.0.0.3"


def seen_from_afar(target: str, peer: str) -> bool:
    """What the default would say if the peer were on the Internet."""
    return is_within_reach(target, "8.8.8.8")


@pytest.fixture
def bystander() -> Any:
    """A host that has nothing to do with it: a UDP and a TCP socket at one port."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        tcp.bind((OTHER, 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        for sock in (udp, tcp):
            sock.setblocking(False)
        yield udp, tcp


def untouched(bystander: Any) -> None:
    udp, tcp = bystander
    with pytest.raises(BlockingIOError):
        udp.recv(65536)
    with pytest.raises(BlockingIOError):
        tcp.accept()


def invite(contact: str, *more: str, via: str = "127.0.0.1:9") -> bytes:
    data = request("INVITE", number="1", via=via, extra="".join(f"{line}\r\n" for line in more))
    return re.sub(rb"Contact: [^\r]*", b"Contact: <" + contact.encode() + b">", data)


def ack(ok: bytes, body: bytes = b"") -> bytes:
    to = re.search(rb"(?m)^To: [^\r]*", ok)
    assert to is not None
    kind = "Content-Type: application/sdp\r\n" if body else ""
    data = request("ACK", number="1", extra=kind, body=body)
    data = data.replace(b"branch=z9hG4bK1", b"branch=z9hG4bK2")
    return re.sub(rb"To: [^\r]*", to.group(), data)


def read(sock: socket.socket, start: bytes) -> bytes:
    """Return the next message that begins so."""
    while not (data := sock.recv(65536)).startswith(start):
        pass
    return data


def test_a_via_that_names_a_third_address(defended: Any, bystander: Any) -> None:
    """`maddr` had every response of a call, eleven times over, sent to whom one liked."""
    bob = defended()
    port = bystander[0].getsockname()[1]
    with dial(bob.port, "udp") as mallory:
        via = f"127.0.0.1:{port};maddr={OTHER}"
        mallory.send(invite(f"sip:m@{OTHER}:{port}", via=via))
        read(mallory, b"SIP/2.0 200 ")
        bob.clock.advance(1)
        read(mallory, b"SIP/2.0 200 ")
    untouched(bystander)
    bob.check()


@pytest.mark.parametrize("transport", ["", ";transport=tcp"])
@pytest.mark.parametrize("header", ["contact", "record-route"])
def test_a_call_that_nobody_acknowledges(
    defended: Any, bystander: Any, header: str, transport: str
) -> None:
    """The address of an INVITE may be forged. The BYE that ends the call went to its Contact."""
    bob = defended()
    there = f"sip:{OTHER}:{bystander[0].getsockname()[1]}{transport}"
    with dial(bob.port, "udp") as mallory:
        if header == "contact":
            mallory.send(invite(there))
        else:
            mallory.send(invite("sip:m@127.0.0.1:9", f"Record-Route: <{there};lr>"))
        read(mallory, b"SIP/2.0 200 ")
        bob.clock.advance(33)
        assert b"BYE " in read(mallory, b"BYE ")
    untouched(bystander)
    bob.settle()
    bob.check()


@pytest.mark.parametrize("transport", ["", ";transport=tcp"])
@pytest.mark.parametrize("contact", ["contact", "maddr", "record-route"])
def test_a_blind_connect(defended: Any, bystander: Any, contact: str, transport: str) -> None:
    """An INVITE without an offer, and an ACK whose answer is junk: we hang up at once, and so
    connected from inside of a network to any host and port of it.
    """
    policy = Policy(named_targets=seen_from_afar)
    bob = defended(options={"policy": policy})
    there = f"{OTHER}:{bystander[0].getsockname()[1]}"
    with dial(bob.port, "udp") as mallory:
        if contact == "contact":
            mallory.send(invite(f"sip:m@{there}{transport}"))
        elif contact == "maddr":
            named = there.replace(OTHER, "8.8.4.4")
            mallory.send(invite(f"sip:m@{named};maddr={OTHER}{transport}"))
        else:
            route = f"Record-Route: <sip:{there};lr{transport}>"
            mallory.send(invite("sip:m@127.0.0.1:9", route))
        ok = read(mallory, b"SIP/2.0 200 ")
        call = bob.engine.run(lambda: next(iter(bob.party._agent.dialogs)))
        mallory.send(ack(ok))
        wait_for(lambda: call._invited is None, "the ACK came", PATIENCE)
        call.terminate()
        # It gets what it has asked for itself.
        bye = read(mallory, b"BYE ")
        assert there.encode() in bye or OTHER.encode() in bye
    untouched(bystander)
    bob.settle()
    bob.check()


def test_a_name_that_leads_inside(defended: Any, bystander: Any, tmp_path: Path) -> None:
    """A host name is looked up first: it is the address that counts."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{OTHER} inside.example\n")
    policy = Policy(named_targets=seen_from_afar)
    bob = defended(options={"policy": policy, "resolver": Resolver(hosts=hosts)})
    port = bystander[0].getsockname()[1]
    with dial(bob.port, "udp") as mallory:
        mallory.send(invite(f"sip:m@inside.example:{port};transport=tcp"))
        ok = read(mallory, b"SIP/2.0 200 ")
        call = bob.engine.run(lambda: next(iter(bob.party._agent.dialogs)))
        mallory.send(ack(ok))
        wait_for(lambda: call._invited is None, "the ACK came", PATIENCE)
        call.terminate()
        read(mallory, b"BYE ")
    untouched(bystander)
    bob.settle()
    bob.check()


def test_who_was_called_names_another(defended: Any, bystander: Any) -> None:
    """The Contact of a 2xx is a peer's word as well: the ACK and the BYE go to who answered."""
    policy = Policy(named_targets=seen_from_afar)
    bob = defended(options={"policy": policy})
    there = f"{OTHER}:{bystander[0].getsockname()[1]}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mallory:
        mallory.bind(("127.0.0.1", 0))
        mallory.settimeout(PATIENCE)
        call = bob.party.invite(f"sip:m@127.0.0.1:{mallory.getsockname()[1]}")
        data, source = mallory.recvfrom(65536)
        kept = [
            line
            for line in data.decode().split("\r\n")
            if line.split(":")[0] in ("Via", "From", "Call-ID", "CSeq")
        ]
        lines = ["SIP/2.0 200 OK", *kept, "To: <sip:m@127.0.0.1>;tag=x"]
        lines += [f"Contact: <sip:m@{there};transport=tcp>", "Content-Length: 0", "", ""]
        mallory.sendto("\r\n".join(lines).encode(), source)
        read(mallory, b"ACK ")
        call.wait(PATIENCE)
        call.terminate()
        read(mallory, b"BYE ")
    untouched(bystander)
    bob.settle()
    bob.check()


def test_one_on_the_own_host_may_name_another_port(defended: Any, bystander: Any) -> None:
    """What is as near as its peer is no secret from it: a proxy beside us, a test of ours."""
    bob = defended()
    udp, _ = bystander
    there = "{}:{}".format(*udp.getsockname())
    with dial(bob.port, "udp") as alice:
        alice.send(invite(f"sip:m@{there}"))
        ok = read(alice, b"SIP/2.0 200 ")
        call = bob.engine.run(lambda: next(iter(bob.party._agent.dialogs)))
        alice.send(ack(ok))
        wait_for(lambda: call._invited is None, "the ACK came", PATIENCE)
        call.terminate()
        udp.settimeout(PATIENCE)
        assert udp.recv(65536).startswith(b"BYE ")
    bob.settle()
    bob.check()


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1%00", "a\x00b", "a!b", "-a", "a/b", "10.0.0.1\x7f", "a;maddr=1%2", "a;maddr=b\x00"],
)
def test_what_can_be_no_host(defended: Any, host: str) -> None:
    """It is refused when it comes, not passed on to the system's calls when we hang up."""
    bob = defended()
    with dial(bob.port, "udp") as mallory:
        mallory.send(invite(f"sip:m@{host}"))
        answer = mallory.recv(65536)
        assert answer.split()[1] in (b"400", b"100") or b"%" in host.encode(), answer
    bob.settle()
    bob.check()
