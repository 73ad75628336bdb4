"""The tools of these tests see what is wrong."""

from __future__ import annotations

import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty

from .media import read_wav, tone_share, write_tone
from .peer import TCP, TCP6, UDP, UDP6, Ports, Transport, over, require
from .sipp import SIPp
from .tshark import Capture

Make = Callable[..., Any]


@pytest.fixture
def own(tmp_path: Path, transport: Transport) -> Any:
    """Make a capture of a test's own, of a block of ports of its own."""
    made: list[Capture | Ports] = []

    def make(permitted: bool) -> tuple[Capture, Ports]:
        folder = tmp_path / "own"
        folder.mkdir()
        ports = Ports(transport)
        capture = Capture(require("tshark"), folder, ports, permitted)
        made.extend((capture, ports))
        return capture, ports

    yield make
    for one in made:
        one.close()


@over(UDP, UDP6)
@pytest.mark.parametrize(
    ("data", "sip", "complaint"),
    [
        (b"What is this?", True, "not SIP"),
        (b"\x80\x00 neither", False, "not described as media"),
        (b"OPTIONS sip:a@b SIP/2.0\r\nno colon\r\n\r\n", True, "malformed"),
    ],
    ids=["junk", "stranger", "header"],
)
def test_a_capture_sees_what_is_wrong(
    own: Make, transport: Transport, data: bytes, sip: bool, complaint: str
) -> None:
    capture, ports = own(True)
    if not capture.has_media:
        pytest.skip("this user may not capture")
    port = ports.take()
    if sip:
        capture.sip_ports.add(port)
    with socket.socket(transport.family, socket.SOCK_DGRAM) as sock:
        sock.sendto(data, (transport.host, port))
    with pytest.raises(AssertionError, match=complaint):
        capture.check()


@over(TCP, TCP6)
@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"What is this?\r\n\r\n", "not SIP"),
        (b"OPTIONS sip:a@b SIP/2.0\r\nno colon\r\nContent-Length: 0\r\n\r\n", "malformed"),
    ],
    ids=["junk", "header"],
)
def test_a_capture_sees_what_is_wrong_in_a_stream(
    own: Make, transport: Transport, data: bytes, complaint: str
) -> None:
    capture, ports = own(True)
    if not capture.has_media:
        pytest.skip("this user may not capture")
    _say(transport, capture, ports.take(), [data])
    with pytest.raises(AssertionError, match=complaint):
        capture.check()


@over(TCP)
def test_messages_are_told_apart_in_a_stream(own: Make, transport: Transport) -> None:
    """Two in one segment are two packets, one in two segments is one."""
    capture, ports = own(True)
    if not capture.has_media:
        pytest.skip("this user may not capture")
    head = b"Via: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
    head += b"Call-ID: 1\r\nContent-Length: 0\r\n"
    options = b"OPTIONS sip:c@d SIP/2.0\r\n" + head + b"CSeq: 1 OPTIONS\r\n\r\n"
    answer = b"SIP/2.0 200 OK\r\n" + head + b"CSeq: 7 INFO\r\n\r\n"
    _say(transport, capture, ports.take(), [options + answer, options[:90], options[90:]])
    capture.check()
    found = [(packet.method, packet.status, packet.cseq) for packet in capture.packets]
    again = ("OPTIONS", 0, "1 OPTIONS")
    assert found == [again, ("", 200, "7 INFO"), again]


def _say(transport: Transport, capture: Capture, port: int, pieces: list[bytes]) -> None:
    """Send some segments to a SIP port."""
    capture.add(transport.name, port)
    with (
        socket.create_server((transport.host, port), family=transport.family) as listener,
        socket.create_connection((transport.host, port)) as sock,
    ):
        peer, _ = listener.accept()
        with peer:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                sock.sendall(piece)
                peer.recv(65536)


def test_where_one_may_not_capture_our_own_trace_is_read(
    own: Make, sipp: SIPp, parties: Make
) -> None:
    capture, _ = own(False)
    assert not capture.has_media
    bob = parties(NoMediaSimpleCallsParty, "bob")
    capture.watch(bob.engine)
    capture.sip_ports.add(bob.contact_uri.port)
    sipp.call("uac_call", bob.contact_uri.port, MILLISECONDS=0).finish()
    capture.check()
    methods = [packet.method for packet in capture.packets if packet.method]
    assert methods == ["INVITE", "ACK", "BYE"]


@pytest.mark.parametrize(
    "values",
    [
        {"STATUS": 200, "HEADER": "Allow", "PATTERN": "NO-SUCH-METHOD"},
        {"STATUS": 404, "HEADER": "Allow", "PATTERN": "INVITE"},
    ],
    ids=["header", "status"],
)
def test_a_scenario_that_is_not_followed_fails(
    sipp: SIPp, parties: Make, values: dict[str, Any]
) -> None:
    bob = parties(NoMediaSimpleCallsParty, "bob")
    run = sipp.call("uac_request", bob.contact_uri.port, METHOD="OPTIONS", MORE="", TO="", **values)
    with pytest.raises(AssertionError, match=r"SIP/2\.0 200"):
        run.finish()


def test_a_block_of_ports_is_one_test_s(transport: Transport, monkeypatch: Any) -> None:
    one = Ports(transport)
    monkeypatch.setattr(Ports, "_next", (one.first - Ports.FIRST) // Ports.SIZE)
    other = Ports(transport)
    assert other.first >= one.last or other.last <= one.first
    one.close()
    other.close()


def test_tones_are_told_apart(tmp_path: Path) -> None:
    samples = [0] * 8000 + read_wav(write_tone(tmp_path / "tone.wav", 440, 0.7)) + [3, -3] * 4000
    assert tone_share(samples, 440) > 0.99
    assert tone_share(samples, 700) < 0.01
    assert tone_share([0, 1] * 8000, 440) == 0
    assert tone_share(samples[8000:10_000] + samples[10_009:13_000], 440) > 0.95
    noise = random.Random(1)
    assert tone_share([noise.randrange(-8000, 8000) for _ in range(8000)], 440) < 0.1


def test_a_program_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.delenv("SIPPARTY_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="sipp is not installed"):
        require("sipp")
    monkeypatch.setenv("SIPPARTY_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="SIPPARTY_REQUIRE_PEERS"):
        require("sipp")
