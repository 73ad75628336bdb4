"""Where responses go, and what becomes of Via on the way (RFC 3261 §17.2.3, §18.2; RFC 3581)."""

from __future__ import annotations

from .probe import Probe, cases, run
from .stage import Stage
from .steps import Ack, Again, Expect, Keep, Later, Quiet, Same, Send, Within

_B = ";branch=z9hG4bKv{unique}"


def _via(rest: str, *others: str) -> dict[str, object]:
    return {"Via": (f"SIP/2.0/{{WAY}} {rest}", *others)}


PROBES = (
    Probe(
        "RFC 3581 §4",
        "rport is filled in, received is there",
        Send("OPTIONS", _via("{place}" + _B + ";rport")),
        Expect(
            200, {"Via": r";rport=\d+.*;received=127\.0\.0\.1|received=127\.0\.0\.1.*;rport=\d"}
        ),
    ),
    Probe(
        "RFC 3581 §4",
        "rport is the port that it came from",
        Send("OPTIONS", _via("{place}" + _B + ";rport")),
        Expect(200, {"Via": r";rport={port}\b"}),
        by="udp",
    ),
    Probe(
        "RFC 3581 §4",
        "with rport it goes back where it came from",
        Send("OPTIONS", _via("127.0.0.1:{other}" + _B + ";rport")),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "without rport it goes to the port of sent-by",
        Send("OPTIONS", _via("127.0.0.1:{other}" + _B)),
        Expect(200, at="other"),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "a call is answered at the port of sent-by",
        Send("INVITE", _via("127.0.0.1:{other}" + _B)),
        Expect(200, at="other"),
        Ack(),
        Within("BYE"),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.2.1",
        "received, where sent-by is a name",
        Send("OPTIONS", _via("peer.invalid:5070" + _B + ";rport")),
        Expect(200, {"Via": r"peer\.invalid:5070.*;received=127\.0\.0\.1"}),
    ),
    Probe(
        "RFC 3261 §18.2.1",
        "received, where sent-by is another address",
        Send("OPTIONS", _via("192.0.2.1:5070" + _B + ";rport")),
        Expect(200, {"Via": r"192\.0\.2\.1:5070.*;received=127\.0\.0\.1"}),
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "it goes to received, at the port of sent-by",
        Send("OPTIONS", _via("peer.invalid:{other}" + _B)),
        Expect(200, at="other"),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.2.1",
        "a received that came along is not believed",
        Send("OPTIONS", _via("{place}" + _B + ";rport;received=192.0.2.66")),
        Expect(200, {"Via": r"^(?!.*192\.0\.2\.66)"}),
    ),
    Probe(
        "RFC 3261 §18.2.1",
        "sent-by may be an IPv6 address",
        Send("OPTIONS", _via("[2001:db8::9]:5070" + _B + ";rport")),
        Expect(200, {"Via": r"\[2001:db8::9\]:5070.*;received=127\.0\.0\.1"}),
    ),
    Probe(
        "RFC 3261 §18.2.1",
        "sent-by may lack its port",
        Send("OPTIONS", _via("192.0.2.1" + _B + ";rport")),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.42",
        "white space everywhere",
        Send(
            "OPTIONS",
            {"Via": "SIP / 2.0 / {WAY} 192.0.2.2 : 5060 ; branch = z9hG4bKw{unique} ; rport"},
        ),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.42",
        "parameters nobody knows stay",
        Send("OPTIONS", _via("{place}" + _B + ';x;y="a b";rport;ttl=3')),
        Expect(200, {"Via": r";x;y=.*ttl=3"}),
    ),
    Probe(
        "RFC 3261 §8.2.6.2",
        "each Via comes back, in order",
        Send(
            "OPTIONS",
            _via(
                "{place}" + _B + ";rport",
                "SIP/2.0/TLS p1.example.com;branch=z9hG4bKp1;received=192.0.2.7",
                "SIP/2.0/UDP p2.example.com:5070;branch=z9hG4bKp2",
            ),
        ),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §7.3.1",
        "several Via in one line come back, in order",
        Send(
            "OPTIONS",
            _via(
                "{place}" + _B + ";rport, SIP/2.0/TCP a.example.com;branch=z9hG4bKa"
                ",SIP/2.0/UDP b.example.com",
                "SIP/2.0/UDP c.example.com",
            ),
        ),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.2.6.2",
        "twenty Via come back",
        Send(
            "OPTIONS",
            _via(
                "{place}" + _B + ";rport",
                *(f"SIP/2.0/UDP p{n}.example.com;branch=z9hG4bKp{n}" for n in range(20)),
            ),
        ),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §17.2.3",
        "a branch without the cookie",
        Send("OPTIONS", _via("{place};branch=1{unique};rport")),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §17.2.3", "no branch at all", Send("OPTIONS", _via("{place};rport")), Expect(200)
    ),
    Probe(
        "RFC 3261 §17.2.3",
        "without the cookie, a copy is known by what it says",
        Send("INVITE", _via("{place};branch=1{unique};rport")),
        Expect(200),
        Again("INVITE"),
        Quiet(),
    ),
    Probe(
        "RFC 4475 §3.2.1",
        "the cookie alone identifies nothing",
        Send("OPTIONS", _via("{place};branch=z9hG4bK;rport")),
        Expect(200),
        Send("OPTIONS", _via("{place};branch=z9hG4bK;rport")),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §8.1.1.7",
        "the cookie is told without case",
        Send("OPTIONS", _via("{place};branch=Z9HG4BK{unique};rport")),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "maddr is where it goes, at the port of sent-by",
        Send("OPTIONS", _via("192.0.2.5:{other};maddr=127.0.0.1" + _B)),
        Expect(200, at="other"),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "by a connection it goes back by that connection",
        Send("OPTIONS", _via("192.0.2.5:{other}" + _B)),
        Expect(200),
        by="tcp",
    ),
    Probe(
        "RFC 3261 §18.2.2",
        "by a connection, maddr says nothing",
        Send("OPTIONS", _via("{place};maddr=192.0.2.5" + _B)),
        Expect(200),
        by="tcp",
    ),
    Probe(
        "RFC 3261 §17.2.2",
        "a copy gets the same answer",
        Send("OPTIONS"),
        Expect(200),
        Keep("first", lambda one: one.data),
        Again("OPTIONS"),
        Expect(200),
        Same("first", lambda one: one.data),
        by="udp",
    ),
    Probe(
        "RFC 3261 §17.2.2",
        "a copy gets the same refusal",
        Send("MESSAGE"),
        Expect(405),
        Keep("first", lambda one: one.data),
        Later(20),
        Again("MESSAGE"),
        Expect(405),
        Same("first", lambda one: one.data),
        by="udp",
    ),
    Probe(
        "RFC 3261 §8.1.1",
        "without a Via there is nowhere to go",
        Send("OPTIONS", {"Via": None}),
        Quiet(),
        by="udp",
    ),
)


@cases(PROBES)
def test_via(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the table, by each of its transports."""
    run(stage, probe, transport)
