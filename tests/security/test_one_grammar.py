"""Messages that ended a program: one datagram whose From validation passed, and that raised in
whoever read `call.remote.uri`: a screening handler, and `sipparty answer`, which came to its end
with every call that was up.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from sipparty.errors import CallFailed
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.sip import Message
from sipparty.sip.events import CallReceived

from ..faults.raw import LOOPBACK, dial

#: URIs that passed for one in From, and made `.uri` raise.
FATAL = ["sip:a%zz@x", "sip:a@-x", "sip:a@x?b", "sip:a@1.2.3.999", "sip:a\x1b[2J@x", "sip:a\0@x"]
#: What is unusual, and has to be served.
ODD = ["sip:a_b@c_d", "< sip:a@b >", "sip:a#1@x", "*"]


def invite(uri: str, number: int, port: int, line_end: bytes = b"\r\n") -> bytes:
    address = uri if "<" in uri else f"<{uri}>"
    lines = (
        "INVITE sip:bob@biloxi.com SIP/2.0",
        f"Via: SIP/2.0/UDP {LOOPBACK}:{port};branch=z9hG4bK{number};rport",
        "Max-Forwards: 70",
        f"From: {address};tag={number}",
        "To: <sip:bob@biloxi.com>",
        f"Call-ID: call-{number}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:a@{LOOPBACK}:{port}>",
        "Content-Length: 0",
        "",
        "",
    )
    return line_end.join(line.encode() for line in lines)


def final(sock: socket.socket) -> Any:
    """The next final response."""
    while True:
        response = Message.parse(sock.recv(65536))
        if not isinstance(response, Message) or response.status >= 200:
            return response


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_screening_handler_reads_whatever_it_is_asked_about(
    defended: Any, transport: str
) -> None:
    bob = defended(transport)
    asked = []

    def screen(event: CallReceived) -> None:
        asked.append((event.call.remote.uri.address, str(event.request.contact.uri)))
        event.call.reject(603)

    bob.party.on(CallReceived, screen)
    for number, uri in enumerate(FATAL):
        with dial(bob.port, transport) as mallory:
            mallory.sendall(invite(uri, number, mallory.getsockname()[1]))
            answer = final(mallory)
            assert answer.status == 400
            assert answer.reason.startswith("Malformed From: expected ")
            assert answer.reason.isprintable()
    assert asked == []
    for number, uri in enumerate(ODD[:3]):
        with dial(bob.port, transport) as honest:
            honest.sendall(invite(uri, 100 + number, honest.getsockname()[1]))
            assert final(honest).status == 603
    assert [address for address, _ in asked] == ["c_d", "b", "x"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_lines_that_end_in_a_line_feed_are_answered(defended: Any, transport: str) -> None:
    """Silence has the sender try again for half a minute."""
    bob = defended(transport)
    with dial(bob.port, transport) as plain:
        data = invite("sip:a@b", 1, plain.getsockname()[1], b"\n")
        plain.sendall(
            data.replace(b"INVITE sip:bob@biloxi.com", b"OPTIONS  sip:bob@biloxi.com ").replace(
                b"1 INVITE", b"1 OPTIONS"
            )
        )
        response = final(plain)
        assert response.status == 200
        assert b"\n" not in bytes(response).replace(b"\r\n", b"")
    bob.check()


def test_a_via_without_anything(defended: Any) -> None:
    """`Via: ,` raised IndexError, with a traceback at ERROR, for each datagram."""
    bob = defended()
    with dial(bob.port, "udp") as mallory:
        for via in (b",", b", ,", b"", b",;", b";", b"SIP/2.0/UDP"):
            data = invite("sip:a@b", 1, mallory.getsockname()[1])
            mallory.send(re.sub(rb"(?<=Via: )[^\r]*", lambda _, via=via: via, data))
        mallory.send(invite("sip:a%zz@b", 2, mallory.getsockname()[1]))
        assert final(mallory).status == 400
    bob.check()


class Command:
    """`sipparty answer`, as a program of its own."""

    def __init__(self, folder: Any) -> None:
        self.lines: list[str] = []
        arguments = ["answer", "--port", "0", "--address", LOOPBACK, "--aor", "bob@biloxi.com"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sipparty", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        )
        self._authenticator = threading.Timer(40, self.process.kill)
        self._authenticator.start()

    def until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not printed: {''.join(self.lines)}")

    def close(self) -> None:
        self._authenticator.cancel()
        self.process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


def test_one_datagram_does_not_end_sipparty_answer(tmp_path: Any, make_party: Any) -> None:
    command = Command(tmp_path)
    try:
        port = int(command.until(r"call sip:\S+:([0-9]+)")[1])
        with dial(port, "udp") as mallory:
            for number, uri in enumerate(FATAL):
                mallory.send(invite(uri, number, mallory.getsockname()[1]))
                assert final(mallory).status == 400
        alice = make_party("alice@atlanta.com", NoMediaSimpleCallsParty, display_name="A \u202e B")
        call = alice.invite(f"sip:bob@{LOOPBACK}:{port}").wait(timeout=15)
        command.until("answered")
        call.terminate().wait(timeout=15)
        command.until("over")
        command.process.send_signal(signal.SIGINT)
        command.until("no more calls")
        assert command.process.wait(20) == 0
    finally:
        command.close()
    assert all(line.rstrip("\n").isprintable() for line in command.lines)


def test_a_reason_does_not_speak_to_the_terminal(make_party: Any, peer: Any) -> None:
    """The text of an error is shown as it is, on a terminal or in a log."""
    alice = make_party("alice@atlanta.com")
    call = alice.invite(f"sip:bob@{peer.place}")
    request = peer.receive("INVITE")
    response = request.response(486, "Busy", to_tag="b1")
    data = bytes(response).replace(b"486 Busy", b"486 Busy\x1b[2J\x1b]0;mine\x07\xc2\x9b31m")
    peer.socket.sendto(data, peer.source)
    peer.receive("ACK")
    with pytest.raises(CallFailed) as refusal:
        call.wait(timeout=15)
    error = refusal.value
    for text in (str(error), repr(error), repr(error.response), f"{call.last_error}"):
        assert text.isprintable()
    assert error.reason.startswith("Busy\x1b")  # what came is there for who asks for it


@pytest.mark.parametrize(
    ("host", "works"), [("127.0.0.1", True), ("localhost", True), ("evil.example", False)]
)
def test_tls_proves_the_host_of_the_uri_and_not_its_maddr(
    defended: Any, host: str, works: bool
) -> None:
    """RFC 5922 §4: the packets go to maddr, and who is there shows a certificate of its own."""
    bob = defended("tls")
    call = bob._friend.invite(f"sips:bob@{host}:{bob.port};maddr=127.0.0.1")
    if works:
        assert call.wait(15).state == "InDialog"
        call.terminate().wait(15)
    else:
        with pytest.raises(CallFailed, match="certificate"):
            call.wait(15)
