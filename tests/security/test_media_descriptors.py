"""Calls that take the file descriptors of a program, two for the media of each."""

from __future__ import annotations

from typing import Any

from ..faults.test_descriptors import run

__all__ = ["run"]

#: Has an attacker at an address of its own, who calls so many times and reads the answers.
FLOOD = """
import re
SDP = (
    b"v=0\\r\\no=m 1 1 IN IP4 127.0.0.7\\r\\ns=-\\r\\nc=IN IP4 127.0.0.7\\r\\nt=0 0\\r\\n"
    b"m=audio 9000 RTP/AVP 0\\r\\n"
)

def head(method, number, to, extra=""):
    return (
        f"{method} sip:bob@example.com SIP/2.0\\r\\n"
        f"Via: SIP/2.0/UDP 127.0.0.7;branch=z9hG4bK{method}{number};rport\\r\\n"
        f"Max-Forwards: 70\\r\\nFrom: <sip:m@x>;tag=m{number}\\r\\nTo: {to}\\r\\n"
        f"Call-ID: {number}\\r\\nCSeq: 1 {method}\\r\\n"
        f"Contact: <sip:m@127.0.0.7:{own}>\\r\\n{extra}"
    )

def flood(port, count):
    statuses = {}
    for number in range(count):
        extra = f"Content-Type: application/sdp\\r\\nContent-Length: {len(SDP)}\\r\\n\\r\\n"
        invite = head("INVITE", number, "<sip:bob@example.com>", extra)
        attacker.sendto(invite.encode() + SDP, (LOOPBACK, port))
        while True:
            answer = attacker.recv(65536).decode()
            if f"Call-ID: {number}\\r\\n" in answer and not answer.startswith("SIP/2.0 1"):
                break
        status = answer[8:11]
        statuses[status] = statuses.get(status, 0) + 1
        if status != "200":
            assert status != "503" or "Retry-After: " in answer, answer
            continue
        to = re.search("(?m)^To: ([^\\r]*)", answer)[1]
        attacker.sendto((head("ACK", number, to) + "\\r\\n").encode(), (LOOPBACK, port))
    return statuses

attacker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attacker.bind(("127.0.0.7", 0))
attacker.settimeout(PATIENCE)
own = attacker.getsockname()[1]
kind = SingleRTPSessionSimplenParty
few = files()
bob, alice = party("bob", kind), party("alice", kind, engine=1)
bob.listen(None, address=LOOPBACK)
carol, dave = party("carol"), party("dave", engine=1)
carol.listen(None, address=LOOPBACK, transport="TCP")
"""

#: Has the attacker gone, and what it began.
OVER = """
for call in bob.calls:
    engines[0].run(call.hear, "bye_received", None)
attacker.close()
leave(alice, bob, carol, dave)
"""


def test_one_host_leaves_calls_to_others(run: Any) -> None:
    """700 INVITEs had everybody else's answered 500, and the listener by TCP stop."""
    run(
        FLOOD
        + """
statuses = flood(bob.contact_uri.port, 60)
assert statuses == {"200": 24, "503": 36}, statuses
for _ in range(3):
    good_call(alice, bob)
    good_call(dave, carol)
"""
        + OVER
    )


def test_who_sets_more_than_there_is_has_calls_refused_and_told_when_to_come_again(
    run: Any,
) -> None:
    """All that media may have is taken; what needs no media is served as before."""
    run(
        FLOOD
        + """
bob.configure(max_calls=1000)
statuses = flood(bob.contact_uri.port, 60)
assert statuses == {"200": 32, "503": 28}, statuses
assert engines[0].counters()["refused"] >= 28
refused(dave.invite(bob), "503")
good_call(dave, carol)
assert alice.options(bob).wait(PATIENCE).status == 200
call = bob.calls[0]
engines[0].run(call.hear, "bye_received", None)
assert call.state == "Terminated"
good_call(dave, bob)
"""
        + OVER
    )


def test_ports_of_a_range_run_out_and_come_back(run: Any) -> None:
    run(
        FLOOD
        + """
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.bind((LOOPBACK, 0))
first = probe.getsockname()[1] // 2 * 2
probe.close()
bob.media = {"port_range": (first, first + 1)}
statuses = flood(bob.contact_uri.port, 3)
assert statuses == {"200": 1, "503": 2}, statuses
"""
        + OVER
    )
