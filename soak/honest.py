"""An honest caller beside a hostile host: does it get through?

A party of ours, in a process of its own, is attacked from 127.0.0.1 by another process, and called
a hundred times from 127.0.0.2 meanwhile. What is printed for each attack: how many of those calls
were set up within two seconds, the slowest of them, by how much the party's memory grew at most,
and how long after the end of the attack nothing of it was left.

    python soak/honest.py [--seconds 8] [--audio] [invites] [half-open] [deaf]

    invites     1,000 INVITEs a second, of which none is acknowledged
    half-open   500 connections that say nothing, half of them to the TLS port
    deaf        200 connections that ask all the time, and do not read

The exit status is 1 if a figure is beyond its bar. Everything stays on the loopback interface.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.certificates import make_certificate
from soak.server import resident

ATTACKS = ("invites", "half-open", "deaf")
VICTIM, CALLER = "127.0.0.1", "127.0.0.2"
CALLS = 100
#: The bars: calls of a hundred, seconds for one, megabytes, seconds until all is over.
THROUGH, SETUP, GROWTH, RECOVERY = 99, 2.0, 50.0, 60.0


# -------------------------------------------------------------------- the party that is attacked


def serve(certificate: str, audio: bool) -> None:
    """Listen, print the ports, and answer each line that comes in with how it goes."""
    from sipparty import Engine
    from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
    from sipparty.transport import TLSConfig

    engine = Engine(tls=TLSConfig(certificate=certificate, authorities=certificate))
    kind: Any = SingleRTPSessionSimplenParty if audio else NoMediaSimpleCallsParty
    party = kind("bob@biloxi.com", engine=engine)
    party.listen(None, address=VICTIM, transport=("UDP", "TCP", "TLS"))
    ports = {endpoint.transport: endpoint.address[1] for endpoint in party._endpoints}
    print(json.dumps(ports), flush=True)
    for _ in sys.stdin:
        connections = engine.run(lambda: len(engine.hub.connections()))
        counted = {**engine.counters(), "connections": connections, "rss": resident()}
        print(json.dumps({**counted, "files": len(os.listdir("/dev/fd"))}), flush=True)
    party.close()
    engine.close()


class Victim:
    """The party, from outside.

    Args:
        certificate: What it serves TLS with.
        audio: Whether it has media.
    """

    def __init__(self, certificate: str, audio: bool) -> None:
        role = [sys.executable, __file__, "--serve", certificate, *(["--audio"] if audio else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(role, text=True, bufsize=1, **pipes)  # type: ignore[call-overload]
        self.ports = self._read()

    def _read(self) -> dict[str, int]:
        assert self.process.stdout is not None
        counted: dict[str, int] = json.loads(self.process.stdout.readline())
        return counted

    def look(self) -> dict[str, int]:
        """Return how it goes."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.communicate(timeout=10)
        self.process.kill()


# -------------------------------------------------------------------- the host that attacks


def invite(number: int, own: int) -> bytes:
    """Return an INVITE with an offer."""
    offer = (
        f"v=0\r\no=- 1 1 IN IP4 {VICTIM}\r\ns=-\r\nc=IN IP4 {VICTIM}\r\nt=0 0\r\n"
        "m=audio 9 RTP/AVP 0\r\n"
    )
    return (
        "INVITE sip:bob@biloxi.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {VICTIM}:{own};branch=z9hG4bK{own}x{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:m@example.com>;tag=m{number}\r\n"
        f"To: <sip:bob@biloxi.com>\r\nCall-ID: {own}-{number}\r\nCSeq: 1 INVITE\r\n"
        f"Contact: <sip:m@{VICTIM}:{own}>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(offer)}\r\n\r\n{offer}"
    ).encode()


def attack_invites(ports: dict[str, int], until: float) -> None:
    """Send a thousand INVITEs a second, and read nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((VICTIM, 0))
        sock.setblocking(False)
        own, number, began = sock.getsockname()[1], 0, time.monotonic()
        while (now := time.monotonic()) < until:
            while number < (now - began) * 1000:
                with contextlib.suppress(OSError):
                    sock.sendto(invite(number, own), (VICTIM, ports["UDP"]))
                number += 1
            time.sleep(0.002)


def attack_half_open(ports: dict[str, int], until: float) -> None:
    """Open connections, say nothing, and open another for each that is closed."""
    socks: list[socket.socket] = []
    try:
        while time.monotonic() < until:
            for number, sock in enumerate(list(socks)):
                with contextlib.suppress(BlockingIOError):
                    with contextlib.suppress(ConnectionError):
                        if sock.recv(1):
                            continue
                    sock.close()
                    socks[number] = None  # type: ignore[call-overload]
            socks = [sock for sock in socks if sock is not None]
            while len(socks) < 500:
                sock = socket.socket()
                sock.bind((VICTIM, 0))
                sock.settimeout(1)
                sock.connect((VICTIM, ports["TLS" if len(socks) % 2 else "TCP"]))
                sock.setblocking(False)
                socks.append(sock)
            time.sleep(0.05)
    finally:
        for sock in socks:
            sock.close()


def attack_deaf(ports: dict[str, int], until: float) -> None:
    """Ask by many connections, as much as goes, and read no answer."""
    ask = invite(0, 9).partition(b"\r\n\r\n")[0].replace(b"INVITE", b"OPTIONS")
    ask = ask.replace(b"UDP", b"TCP").rpartition(b"\r\n")[0] + b"\r\nContent-Length: 0\r\n\r\n"
    socks = []
    for _ in range(200):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind((VICTIM, 0))
        sock.connect((VICTIM, ports["TCP"]))
        sock.setblocking(False)
        socks.append(sock)
    number = 0
    rest = dict.fromkeys(socks, b"")
    while time.monotonic() < until:
        for sock in socks:
            if not rest[sock]:
                number += 1
                rest[sock] = b"".join(
                    ask.replace(b"x0;", b"x%dy%d;" % (number, at)) for at in range(20)
                )
            with contextlib.suppress(OSError):
                rest[sock] = rest[sock][sock.send(rest[sock]) :]
        time.sleep(0.01)
    for sock in socks:
        sock.close()


DOING = dict(zip(ATTACKS, (attack_invites, attack_half_open, attack_deaf), strict=True))


# -------------------------------------------------------------------- who calls meanwhile


def call(victim: Victim, transport: str, seconds: float) -> tuple[list[float], int]:
    """Make the calls, spread over the time; return the seconds that each took to be set up, and how
    large the party was at most, in kB.
    """
    from sipparty.errors import CallFailed, Timeout
    from sipparty.parties import NoMediaSimpleCallsParty

    took: list[float] = []
    largest = 0
    with contextlib.ExitStack() as stack:
        alice = NoMediaSimpleCallsParty("alice@atlanta.com", local_address=CALLER)
        stack.callback(alice.close)
        began = time.monotonic()
        for number in range(CALLS):
            time.sleep(max(0.0, began + number * seconds / CALLS - time.monotonic()))
            start = time.monotonic()
            port = victim.ports[transport]
            placed = alice.invite(f"sip:bob@{VICTIM}:{port};transport={transport.lower()}")
            try:
                placed.wait(10)
                took.append(time.monotonic() - start)
                placed.terminate().wait(10)
            except (CallFailed, Timeout) as error:
                print(f"    a call failed: {error}")
                took.append(float("inf"))
            largest = max(largest, victim.look()["rss"])
    return took, largest


def run(kind: str, seconds: float, audio: bool, certificate: str) -> bool:
    """Run one attack and print what came of it; return whether it is within the bars."""
    victim = Victim(certificate, audio)
    transport = "UDP" if kind == "invites" else "TCP"
    try:
        call(victim, transport, 2.0)  # what is read and made once is there
        time.sleep(1.0)
        before = victim.look()
        role = [sys.executable, __file__, "--attack", kind, json.dumps(victim.ports)]
        with subprocess.Popen([*role, str(seconds + 2)]) as attacker:
            time.sleep(1.0)
            took, largest = call(victim, transport, seconds)
            attacker.wait()
        over = time.monotonic()
        while True:
            now = victim.look()
            largest = max(largest, now["rss"])
            left = ("dialogs", "client_transactions", "server_transactions", "connections")
            recovery = time.monotonic() - over
            if all(not now[name] for name in left) or recovery > 2 * RECOVERY:
                break
            time.sleep(0.5)
    finally:
        victim.close()
    through = sum(one <= SETUP for one in took)
    growth = (largest - before["rss"]) / 1024
    print(
        f"{kind}{' (audio)' if audio else ''}: {through} of {CALLS} calls within {SETUP:g} s, "
        f"slowest {max(took):.3f} s; memory grew by {growth:.1f} MB at most; "
        f"all back after {recovery:.1f} s; refused {now['refused']}, floods {now['flood']}"
    )
    return through >= THROUGH and growth <= GROWTH and recovery <= RECOVERY


def main() -> int:
    """Run what is asked for, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", metavar="attack", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each attack takes")
    parser.add_argument("--audio", action="store_true", help="a party with media")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--attack", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if options.serve:
        # As many as a process has by default.
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, most), most))
        serve(options.serve, options.audio)
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.attack:
        kind, ports, seconds = options.attack
        DOING[kind](json.loads(ports), time.monotonic() + float(seconds))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        certificate = str(make_certificate(Path(folder), VICTIM))
        attacks = options.attacks or ATTACKS
        fine = [run(kind, options.seconds, options.audio, certificate) for kind in attacks]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
