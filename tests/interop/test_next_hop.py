"""The way to the next hop: fail-over by RFC 3263 §4.3, with a DNS server, a dead target, one that
is busy, and a good one; and TCP for what is too large for UDP (RFC 3261 §18.1.1)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from sipparty.errors import CallRejected, CallTimedOut
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Message
from sipparty.sip.transaction import Timing
from sipparty.transport import Resolver
from sipparty.transport.nameservers import DNSLookup

from .peer import Ports, wait_for
from .sipp import SIPp

Make = Callable[..., Any]

#: 64 * T1 is 0.64 s: what a dead target costs.
QUICK = Timing(t1=0.01)


class NameServer:
    """A DNS server on a thread.

    Attributes:
        zone: Records in the DNS's own words, by name and type.
        asked: The questions, in order.
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        text = name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((text, kind))
        answer = dns.message.make_response(query)
        records = self.zone.get((text, kind))
        if records:
            answer.answer.append(
                dns.rrset.from_text_list(name, 60, dns.rdataclass.IN, kind, records)
            )
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    def serve(self, domain: str, *ports: int) -> None:
        """Have a domain's SIP over UDP served at these ports of this host, in order."""
        self.zone[f"_sip._udp.{domain}", "SRV"] = [
            f"{priority} 1 {port} host.{domain}." for priority, port in enumerate(ports)
        ]
        self.zone[f"host.{domain}", "A"] = ["127.0.0.1"]

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.address)
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def nameserver() -> Iterator[NameServer]:
    """A DNS server."""
    made = NameServer()
    yield made
    made.close()


@pytest.fixture
def silent(ports: Ports) -> Iterator[socket.socket]:
    """A target that is there and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", ports.take()))
        bound.setblocking(False)
        yield bound


@pytest.fixture
def alice(parties: Make, nameserver: NameServer) -> Any:
    """A party that asks the DNS server."""
    lookup = DNSLookup([nameserver.address])
    resolver = Resolver(transports=("UDP",), lookup=lookup, hosts=None)
    return parties(NoMediaSimpleCallsParty, timing=QUICK, resolver=resolver)


def call_ids(heard: socket.socket) -> set[str]:
    """The calls that a target has heard of since this was last asked."""
    found: set[str] = set()
    while True:
        try:
            message: Any = Message.parse(heard.recv(65_535))
        except BlockingIOError:
            return found
        found.add(message.call_id)


def test_the_third_target(
    sipp: SIPp, alice: Any, nameserver: NameServer, silent: socket.socket
) -> None:
    """A is dead, B answers 503, C is good; the next call goes to C at once."""
    busy = sipp.answer("uas_refuses", STATUS=503, REASON="Busy", MORE="Retry-After: 60")
    good = sipp.answer("uas_call", "-m", "2")
    nameserver.serve("biloxi.example", silent.getsockname()[1], busy.port, good.port)

    call = alice.invite("bob@biloxi.example").wait(5)
    assert call.state == "InDialog"
    assert call.progress == 180
    assert call.terminate().wait(5).state == "Terminated"
    busy.finish()
    assert call_ids(silent) == {call.call_id}

    asked = len(nameserver.asked)
    again = alice.invite("bob@biloxi.example").wait(5)
    assert again.terminate().wait(5).state == "Terminated"
    good.finish()
    assert call_ids(silent) == set()
    assert len(nameserver.asked) == asked  # the answers are good for a minute


def test_a_closed_port_costs_no_time(
    sipp: SIPp, alice: Any, nameserver: NameServer, ports: Ports
) -> None:
    """The system says at once that nobody is there."""
    good = sipp.answer("uas_call")
    nameserver.serve("biloxi.example", ports.take(), good.port)
    call = alice.invite("bob@biloxi.example").wait(5)
    assert call.terminate().wait(5).state == "Terminated"
    good.finish()


def test_all_have_failed(
    sipp: SIPp, alice: Any, nameserver: NameServer, silent: socket.socket
) -> None:
    busy = sipp.answer("uas_refuses", STATUS=503, REASON="Busy", MORE="Retry-After: 60")
    nameserver.serve("biloxi.example", silent.getsockname()[1], busy.port)
    with pytest.raises(CallRejected) as caught:
        alice.invite("bob@biloxi.example").wait(5)
    assert (caught.value.status, caught.value.reason) == (503, "Busy")
    busy.finish()


def test_a_target_dies_in_mid_call(
    sipp: SIPp, alice: Any, nameserver: NameServer, silent: socket.socket
) -> None:
    """The BYE, too, goes where somebody answers: RFC 3263 §4 is for every request."""
    good = sipp.answer("uas_named", HOST="pbx.example")
    nameserver.serve("pbx.example", good.port)
    call = alice.invite("bob@pbx.example").wait(5)
    acks = call._invite.acks
    wait_for(lambda: all(ack._flow for ack in acks.values()), "the ACK has found its way")
    # The first place is now another one, and the news has come here.
    nameserver.serve("pbx.example", silent.getsockname()[1], good.port)
    alice.engine.run(alice.engine.hub.resolver.forget)
    assert call.terminate().wait(5).state == "Terminated"
    assert call_ids(silent) == {call.call_id}
    good.finish()


def test_nobody_is_there(alice: Any, nameserver: NameServer, silent: socket.socket) -> None:
    nameserver.serve("biloxi.example", silent.getsockname()[1])
    with pytest.raises(CallTimedOut, match=r"did not answer within 0\.64 s"):
        alice.invite("bob@biloxi.example").wait(5)


@pytest.mark.parametrize("transports", [("UDP", "TCP"), ("UDP",)], ids=["tcp", "udp alone"])
def test_a_large_invite(parties: Make, ports: Ports, transports: tuple[str, ...]) -> None:
    """It goes by TCP where that is taken, and else by UDP all the same."""
    with NoMediaSimpleCallsParty("bob@biloxi.example") as bob:
        bob.listen(ports.take(), address="127.0.0.1", transport=transports)
        call: Any = parties(NoMediaSimpleCallsParty).invite(bob, headers={"Subject": "x" * 2000})
        call.wait(5)
        its: Any = bob.calls[0]
        wait_for(lambda: its._invited is None, "the ACK came")
        assert (
            its.dialog_state.endpoint.transport
            == call.dialog_state.endpoint.transport
            == transports[-1]
        )
        assert call.terminate().wait(5).state == "Terminated"
        assert its.wait(5).state == "Terminated"


def test_the_command_resolve_shows_what_the_server_says(nameserver: NameServer) -> None:
    nameserver.serve("biloxi.test", 5071, 5072)
    server = "{}:{}".format(*nameserver.address)
    done = subprocess.run(
        [sys.executable, "-m", "sipparty", "resolve", "biloxi.test", "--server", server],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    asked = next(line for line in done.stdout.splitlines() if "SRV _sip._udp" in line)
    assert "host.biloxi.test:5071 (priority 0, weight 1)" in asked
    targets = [line.split()[2:4] for line in done.stdout.splitlines()[-2:]]
    assert targets == [["127.0.0.1", "5071"], ["127.0.0.1", "5072"]]
