"""One host that would have all the room there is, while another one calls."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.attacks import AttackMonitor

from ..faults.defender import PATIENCE
from ..faults.raw import dial, request
from ..faults.test_floods import flood
from ..interop.peer import wait_for

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="127.0.0.66 is an address on Linux alone"
)

ATTACKER = "127.0.0.66"
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.66\r\ns=-\r\nc=IN IP4 127.0.0.66\r\nt=0 0\r\n"
    b"m=audio 9 RTP/AVP 0\r\n"
)


def invites(numbers: range) -> list[bytes]:
    kind = "Content-Type: application/sdp\r\n"
    return [request("INVITE", number=n, extra=kind, body=OFFER) for n in numbers]


@pytest.mark.parametrize("kind", [NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty])
def test_invites_that_are_never_acknowledged(defended: Any, kind: Any) -> None:
    """Each was a call for half a minute, with sockets of its own where there is media, so that some
    hundreds kept everybody out. Now a hundred of them are calls, and the rest costs nothing.
    """
    bob = defended("udp", kind=kind)
    with dial(bob.port, "udp", source=ATTACKER) as attacker, bob.call():
        said = flood(bob, attacker, invites(range(400)))
        with bob.call():  # and one more while it goes on
            said += flood(bob, attacker, invites(range(400, 500)))
        counts = bob.counts()
        assert counts["dialogs"] == 101
        assert counts["flood"] == counts["refused"] == 400
        refused = [data for data in said if data.startswith(b"SIP/2.0 503 ")]
        assert len(refused) == 400
        assert all(b"\r\nRetry-After: " in data for data in refused)
        # What it began is over when the time for an ACK is.
        bob.clock.advance(33)
        wait_for(lambda: bob.counts()["dialogs"] == 1, "the attacker's calls ended", PATIENCE)
    bob.settle()
    assert bob.engine.core.transactions.held == 0
    bob.check()


def test_a_flood_of_a_source_is_told_of(defended: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One line and one event for each time that their number has doubled."""
    bob = defended("udp")
    with dial(bob.port, "udp", source=ATTACKER) as attacker:
        flood(bob, attacker, invites(range(200)))
    lines = [one.getMessage() for one in caplog.records if one.name == "sipparty.security"]
    counts = [int(line.rpartition("count=")[2]) for line in lines]
    assert counts[0] == AttackMonitor.THRESHOLDS["flood"]
    assert counts[-1] * 2 > 100  # of two hundred, half were calls
    assert all(later == 2 * one for one, later in itertools.pairwise(counts))
    assert all(f"kind=flood source={ATTACKER} transport=UDP" in line for line in lines)
    bob.check()


def test_a_busy_trunk_is_not_cut(defended: Any) -> None:
    """It acknowledges what it begins, and so has many more calls at a time than a stranger has."""
    bob = defended("udp")
    with dial(bob.port, "udp", source=ATTACKER) as trunk:
        for at in range(0, 300, 50):
            answers = [
                data
                for data in flood(bob, trunk, invites(range(at, at + 50)))
                if data.startswith(b"SIP/2.0 200 ")
            ]
            assert len(answers) == 50
            flood(bob, trunk, [acknowledgement(data) for data in answers])
        assert bob.counts()["dialogs"] == 300
        assert bob.counts()["flood"] == 0
    for call in list(bob.party._agent.dialogs):
        bob.engine.run(call.hit, "terminate")
    bob.settle()
    bob.check()


def acknowledgement(answer: bytes) -> bytes:
    """Return the ACK for a 200."""
    lines = {line.partition(b":")[0]: line for line in answer.split(b"\r\n")}
    number = lines[b"Call-ID"].partition(b": ")[2].partition(b"@")[0].decode()
    ack = request("ACK", number=number).replace(b"branch=z9hG4bK", b"branch=z9hG4bKa")
    return ack.replace(b"To: <sip:bob@biloxi.com>", lines[b"To"])
