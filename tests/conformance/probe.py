"""Probes: what is sent to a live party, and what has to come back, as data.

A `Probe` is a clause, a few words, and steps; a step is a small value that says what happens next.
`run` plays them. The words of the steps are those of the peer, which the probe is; the party is
what is probed.

    Probe("RFC 3261 §8.2.1", "a method nobody knows", Send("FROBNICATE"), Expect(501))

Texts in steps may name what is known only when they are played, in braces: see `Scene.names`.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from .laws import check_ack, check_cancel, check_request, check_response
from .message import Message, parameter, uri_of
from .peer import Peer, StreamPeer
from .stage import LOOPBACK, PATIENCE, Stage

__all__ = ["Headers", "Probe", "Scene", "Step", "cases", "run"]

BOTH = ("udp", "tcp")
#: By name: the value, several of them, or None for none.
Headers = dict[str, Any]

_COUNT = itertools.count(1)


@dataclass(frozen=True)
class Step:
    """One thing that happens."""

    def play(self, scene: Scene) -> None:
        """Do it, or see that it is so.

        Raises:
            AssertionError: It is not so.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Probe:
    """What is asked of a party.

    Args:
        clause: The RFC and its section.
        what: What is probed, in a few words.
        steps: What happens.
        party: Which party, of `stage.KINDS`.
        by: The transports.
    """

    clause: str
    what: str
    steps: tuple[Step, ...]
    party: str = "plain"
    by: tuple[str, ...] = BOTH

    def __init__(
        self,
        clause: str,
        what: str,
        *steps: Step | Iterable[Step],
        party: str = "plain",
        by: str | tuple[str, ...] = BOTH,
    ) -> None:
        flat: list[Step] = []
        for step in steps:
            flat += [step] if isinstance(step, Step) else step
        object.__setattr__(self, "clause", clause)
        object.__setattr__(self, "what", what)
        object.__setattr__(self, "steps", tuple(flat))
        object.__setattr__(self, "party", party)
        object.__setattr__(self, "by", (by,) if isinstance(by, str) else by)


def cases(*tables: Iterable[Probe]) -> pytest.MarkDecorator:
    """Return the mark that has a test called with each probe by each of its transports."""
    params = [
        pytest.param(probe, way, id=f"{probe.clause}: {probe.what} [{way}]".replace("RFC ", "RFC"))
        for table in tables
        for probe in table
        for way in probe.by
    ]
    names = [param.id for param in params]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"Two probes are called {twice}."
    return pytest.mark.parametrize(("probe", "transport"), params)


@dataclass
class Scene:
    """A probe that is being played.

    Attributes:
        stage: Where.
        party: The party.
        peer: Our sockets.
        number: The CSeq number of our last request.
        local: Our From; our To, where the party calls.
        remote: The party's address, with its tag where that is known.
        target: The Request-URI inside the dialog: the party's Contact.
        routes: The Route values inside the dialog.
        sent: Our requests, by branch and method.
        heard: The party's last request, by method.
        got: The party's last message.
        answers: Our final and provisional answers to the party's INVITE, by To tag.
        handle: The party's call, or its request.
        raw: What we sent last, by method.
    """

    stage: Stage
    party: Any
    peer: Any
    ports: dict[str, int]
    unique: str = field(default_factory=lambda: f"{next(_COUNT)}x{os.urandom(4).hex()}")
    number: int = 0
    local: str = ""
    remote: str = ""
    target: str = ""
    routes: list[str] = field(default_factory=list)
    sent: dict[tuple[str, str], Message] = field(default_factory=dict)
    heard: dict[str, Message] = field(default_factory=dict)
    got: Message | None = None
    answers: dict[str, Message] = field(default_factory=dict)
    handle: Any = None
    raw: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    #: What is closed at the end.
    opened: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.call_id = f"{self.unique}@peer"
        self.place = f"{LOOPBACK}:{self.peer.port}"
        self.local = f"<sip:peer@example.com>;tag=p{self.unique}"
        self.remote = "<sip:bob@biloxi.com>"
        self.target = f"sip:bob@{LOOPBACK}:{self.peer.party}"
        self._branches = 0

    def branch(self) -> str:
        """A branch that was not there before."""
        self._branches += 1
        return f"z9hG4bK{self.unique}n{self._branches}"

    @property
    def way(self) -> str:
        """The transport."""
        return str(self.peer.transport)

    @property
    def contact(self) -> str:
        """Our Contact."""
        return f"<sip:peer@{self.place}{';transport=tcp' if self.way == 'tcp' else ''}>"

    def names(self) -> dict[str, str]:
        """What texts may name in braces."""
        return {
            "place": self.place,
            "port": str(self.peer.port),
            "other": str(self.peer.other),
            "party": f"{LOOPBACK}:{self.peer.party}",
            "target": self.target,
            "unique": self.unique,
            "call_id": self.call_id,
            "number": str(self.number),
            "way": self.way,
            "WAY": self.way.upper(),
            "tag": parameter(self.remote, "tag") or "",
            "own_tag": parameter(self.local, "tag") or "",
            "contact": self.contact,
            "local": self.local,
            "remote": self.remote,
            **{f"kept.{name}": str(value) for name, value in self.kept.items()},
        }

    def fill(self, text: str) -> str:
        """Put what is known now in the place of names in braces."""
        names = self.names()
        return re.sub(r"\{([\w.]+)\}", lambda found: names.get(found[1], found[0]), text)

    def note(self, arrow: str, data: bytes) -> None:
        """Write down what went over the wire."""
        text = data.decode("utf-8", "backslashreplace")
        self.log.append(f"{arrow}\n" + "\n".join(f"    {line}" for line in text.splitlines()))

    def send(self, data: bytes) -> None:
        """Send bytes to the party."""
        self.note("we send", data)
        self.peer.send(data)

    def send_request(self, data: bytes) -> None:
        """Send a request, and keep it for what is said to it."""
        request = Message.lenient(data)
        self.sent[request.branch, request.method] = request
        self.raw[request.method] = data
        self.send(data)

    def receive(self, at: str = "main") -> Message:
        """Return the next message of the party's, checked."""
        data = self.peer.receive(at=at)
        assert data is not None, f"nothing came within {PATIENCE} s"
        return self.take(data)

    def waiting(self) -> list[Message]:
        """Return what has come by now."""
        self.stage.clock.advance()
        found = []
        while (data := self.peer.receive(0)) is not None:
            found.append(self.take(data))
        return found

    def take(self, data: bytes) -> Message:
        """Check a message of the party's against the laws that hold of all."""
        self.note("the party sends", data)
        message = self.got = Message.strict(data)
        if message.status:
            # What is not said of a CSeq that is wrong is told by the branch.
            said = message.method
            asked = [
                one
                for (branch, _), one in self.sent.items()
                if branch == message.branch
                and (one.method == said or one.get("cseq").split()[-1:] in ([said], []))
            ]
            request = next(reversed(asked), None)
            assert request is not None, f"{message.start!r} answers nothing that we sent"
            check_response(request, message)
            self._learn(request, message)
        else:
            self._take_request(message)
        return message

    def _learn(self, request: Message, response: Message) -> None:
        """Know the dialog that a response makes."""
        if request.method == "INVITE" and 100 < response.status < 300 and not request.to_tag:
            self.remote = response.get("to")
            self.target = uri_of(response.get("contact"))
        if request.method == "INVITE" and response.status >= 200:
            self.kept["final"] = response

    def _take_request(self, request: Message) -> None:
        check_request(request)
        invite = self.heard.get("INVITE")
        if request.method == "ACK" and invite is not None:
            answer = self.answers.get(request.to_tag)
            assert answer is not None, f"the ACK's To tag {request.to_tag!r} is none of ours"
            check_ack(request, invite, answer)
        if request.method == "CANCEL" and invite is not None:
            check_cancel(request, invite)
        self.heard[request.method] = request
        if request.method == "INVITE" and not request.to_tag:
            self.call_id = request.get("call-id")
            self.remote = request.get("from")
            self.target = uri_of(request.get("contact"))

    def request(
        self,
        method: str,
        uri: str,
        branch: str,
        number: int,
        headers: Headers,
        body: bytes = b"",
    ) -> bytes:
        """Make a request; headers take the place of the usual ones, of the same name."""
        fields: list[tuple[str, str]] = [
            ("Via", f"SIP/2.0/{self.way.upper()} {self.place};branch={branch};rport"),
            *(("Route", route) for route in self.routes),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
        ]
        if method not in ("ACK", "BYE", "CANCEL"):
            fields.append(("Contact", self.contact))
        if body:
            fields.append(("Content-Type", "application/sdp"))
        fields.append(("Content-Length", str(len(body))))
        head = f"{method} {self.fill(uri)} SIP/2.0\r\n" + self._lines(fields, headers)
        return head.encode() + b"\r\n" + body

    def response(
        self, request: Message, status: int, tag: str, headers: Headers, body: bytes
    ) -> bytes:
        """Make a response to a request of the party's."""
        to = request.get("to")
        if status > 100 and not parameter(to, "tag") and tag:
            to += f";tag={tag}"
        fields = [("Via", value) for value in request.all("via")]
        fields += [("Record-Route", value) for value in request.all("record-route")]
        fields += [
            ("From", request.get("from")),
            ("To", to),
            ("Call-ID", request.get("call-id")),
            ("CSeq", request.get("cseq")),
        ]
        if request.method == "INVITE" and 100 < status < 300:
            fields.append(("Contact", self.contact))
        if body:
            fields.append(("Content-Type", "application/sdp"))
        fields.append(("Content-Length", str(len(body))))
        head = f"SIP/2.0 {status} Whatever\r\n" + self._lines(fields, headers)
        return head.encode() + b"\r\n" + body

    def _lines(self, fields: list[tuple[str, str]], headers: Headers) -> str:
        lines = []
        given = {name.lower(): (name, value) for name, value in headers.items()}
        for name, value in fields:
            found = given.pop(name.lower(), (name, value))
            lines += self._values(found[0], found[1])
        for name, value in given.values():
            # Before Content-Length, which is last.
            lines[-1:-1] = self._values(name, value)
        return "".join(f"{line}\r\n" for line in lines)

    def _values(self, name: str, value: Any) -> list[str]:
        values = () if value is None else (value,) if isinstance(value, str) else value
        return [f"{name}: {self.fill(one)}" for one in values]


def run(stage: Stage, probe: Probe, transport: str) -> None:
    """Play a probe, and see that the party is well and nothing is left of it; fail, with what was
    said, where it is not so.
    """
    ports = stage.ports(probe.party)
    with stage.cleared():
        peer = (Peer if transport == "udp" else StreamPeer)(ports[transport])
        scene = Scene(stage, stage.parties[probe.party], peer, ports)
        try:
            for number, step in enumerate(probe.steps, 1):
                wrong = _play(scene, step)
                if wrong:
                    said = "\n".join(scene.log[-12:])
                    where = f"{probe.clause}: {probe.what}\nstep {number}, {step}:"
                    pytest.fail(f"{where}\n{wrong}\n\n{said}", pytrace=False)
            _check_alive(stage, ports["udp"])
        finally:
            peer.close()
            for one in scene.opened:
                one.close()


def _play(scene: Scene, step: Step) -> str:
    """Play a step; return what is wrong, or ""."""
    try:
        step.play(scene)
    except AssertionError as wrong:
        return str(wrong) or "wrong"
    return ""


def _check_alive(stage: Stage, port: int) -> None:
    """See that OPTIONS are answered."""
    peer = Peer(port)
    try:
        scene = Scene(stage, None, peer, {})
        scene.send_request(scene.request("OPTIONS", scene.target, scene.branch(), 1, {}))
        answer = scene.receive()
        assert answer.status in (200, 401, 486), f"{answer.start!r} is what OPTIONS got."
    finally:
        peer.close()
