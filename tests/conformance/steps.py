"""The steps of probes: what the peer does and expects; `user` has those of the party's user.

Send, Within, Ack, Cancel, Again, Raw, Pieces   the peer sends
Reply                                           the peer answers the party's request
Expect, Repeats, Quiet, Closed                  what comes, or does not
Keep, Same                                      what is compared with what came before
Later, HangUp                                   time passes; the connection ends
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .message import Message, uri_of
from .probe import Headers, Scene, Step

__all__ = [
    "Ack",
    "Again",
    "Cancel",
    "Closed",
    "Expect",
    "HangUp",
    "Keep",
    "Later",
    "Pieces",
    "Quiet",
    "Raw",
    "Repeats",
    "Reply",
    "Same",
    "Send",
    "Within",
]

#: Text or bytes to look for, and what to put in its place; or a function of the bytes.
Edit = tuple[str, str] | Callable[[bytes], bytes]

NONE: Headers = {}


def _edited(scene: Scene, data: bytes, edits: tuple[Edit, ...]) -> bytes:
    for edit in edits:
        if callable(edit):
            data = edit(data)
        else:
            old, new = (scene.fill(text).encode() for text in edit)
            assert old in data, f"The probe is wrong: {old!r} is not in {data!r}."
            data = data.replace(old, new)
    return data


@dataclass(frozen=True)
class Send(Step):
    """A request outside of dialogs.

    Args:
        method: The method.
        headers: Headers in the place of the usual ones, and further ones.
        body: The body.
        uri: The Request-URI; the party's place by default.
        edit: What is changed of the bytes in the end.
        number: The CSeq number; the next by default.
    """

    method: str
    headers: Headers = field(default_factory=dict)
    body: str = ""
    uri: str = "sip:bob@{party}"
    edit: tuple[Edit, ...] = ()
    number: int | None = None

    def play(self, scene: Scene) -> None:
        """Send it."""
        scene.number = scene.number + 1 if self.number is None else self.number
        body = scene.fill(self.body).encode()
        data = scene.request(
            self.method, self.uri, scene.branch(), scene.number, self.headers, body
        )
        scene.send_request(_edited(scene, data, self.edit))


@dataclass(frozen=True)
class Within(Step):
    """A request inside the dialog; as for `Send`."""

    method: str
    headers: Headers = field(default_factory=dict)
    body: str = ""
    uri: str = "{target}"
    edit: tuple[Edit, ...] = ()
    number: int | None = None

    def play(self, scene: Scene) -> None:
        """Send it."""
        Send(self.method, self.headers, self.body, self.uri, self.edit, self.number).play(scene)


@dataclass(frozen=True)
class Ack(Step):
    """The ACK for the last final response to our INVITE (RFC 3261 §17.1.1.3, §13.2.2.4)."""

    headers: Headers = field(default_factory=dict)
    body: str = ""
    edit: tuple[Edit, ...] = ()

    def play(self, scene: Scene) -> None:
        """Send it."""
        final: Message = scene.kept["final"]
        invite = scene.sent[final.branch, "INVITE"]
        success = final.status < 300
        headers = {"To": final.get("to"), **self.headers}
        if not success:
            headers.setdefault("Via", invite.all("via")[0])
        uri = uri_of(final.get("contact")) if success else invite.uri
        branch, body = scene.branch(), scene.fill(self.body).encode()
        data = scene.request("ACK", uri, branch, int(invite.number), headers, body)
        scene.send_request(_edited(scene, data, self.edit))


@dataclass(frozen=True)
class Cancel(Step):
    """The CANCEL of our last INVITE (RFC 3261 §9.1)."""

    headers: Headers = field(default_factory=dict)
    edit: tuple[Edit, ...] = ()

    def play(self, scene: Scene) -> None:
        """Send it."""
        invite = Message.lenient(scene.raw["INVITE"])
        headers = {"Via": invite.all("via")[0], "To": invite.get("to"), **self.headers}
        data = scene.request("CANCEL", invite.uri, "", int(invite.number), headers)
        scene.send_request(_edited(scene, data, self.edit))


@dataclass(frozen=True)
class Again(Step):
    """Our last request of a method once more, byte by byte, but for edits."""

    method: str
    edit: tuple[Edit, ...] = ()

    def play(self, scene: Scene) -> None:
        """Send it."""
        scene.send_request(_edited(scene, scene.raw[self.method], self.edit))


@dataclass(frozen=True)
class Raw(Step):
    """Bytes as they are, with names in braces filled in; no answer is told by them."""

    text: str

    def play(self, scene: Scene) -> None:
        """Send them."""
        scene.send(scene.fill(self.text).encode("latin-1"))


@dataclass(frozen=True)
class Pieces(Step):
    """Requests of `Send` joined, and sent cut into pieces.

    Args:
        sends: What is joined.
        size: The bytes of a piece; 0 for all in one.
        before: What goes before each.
    """

    sends: tuple[Send, ...]
    size: int = 0
    before: str = ""

    def play(self, scene: Scene) -> None:
        """Send them."""
        whole, really = b"", scene.peer.send
        for send in self.sends:
            got: list[bytes] = []
            scene.peer.send = got.append
            try:
                send.play(scene)
            finally:
                scene.peer.send = really
            whole += self.before.encode() + b"".join(got)
        size = self.size or len(whole)
        for at in range(0, len(whole), size):
            really(whole[at : at + size])
            if size < len(whole):
                scene.stage.clock.advance()


def _check(
    scene: Scene,
    message: Message,
    headers: Headers,
    body: tuple[str, ...],
    no_body: tuple[str, ...],
) -> None:
    """See that headers, and the lines of a body, match patterns; None for what is not there."""
    for name, pattern in headers.items():
        values = message.all(name)
        if pattern is None:
            assert not values, f"there is {name}: {values}"
        elif isinstance(pattern, tuple):
            wanted = [scene.fill(one) for one in pattern]
            assert message.elements(name) == wanted, f"{name} is {message.elements(name)}"
        else:
            wanted_one = scene.fill(pattern)
            assert any(re.search(wanted_one, value) for value in values), f"{name} is {values}"
    text = message.body.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    for pattern in body:
        assert re.search(scene.fill(pattern), text, re.M), f"no {pattern!r} in the body"
    for pattern in no_body:
        assert not re.search(scene.fill(pattern), text, re.M), f"there is {pattern!r} in the body"


def _is(message: Message, what: Any) -> bool:
    if isinstance(what, tuple):
        return any(_is(message, one) for one in what)
    if isinstance(what, int):
        return message.status == what
    return not message.status and message.method == what


@dataclass(frozen=True)
class Expect(Step):
    """What comes next.

    Args:
        what: A status or a method, or several that are right.
        headers: Patterns of headers; None for those that may not be there; a tuple for all the
            elements of a list.
        body: Patterns that the body has to match.
        no_body: Patterns that it may not match.
        of: The method that it answers.
        at: Where it comes to: "main" or "other".
        check: What else is asked; called with the scene and the message, returns what is wrong.
    """

    what: Any
    headers: Headers = field(default_factory=dict)
    body: tuple[str, ...] = ()
    no_body: tuple[str, ...] = ()
    of: str = ""
    at: str = "main"
    check: Callable[[Scene, Message], str] | None = None

    def play(self, scene: Scene) -> None:
        """Wait for it."""
        message = scene.receive(self.at)
        assert _is(message, self.what), f"{message.start!r} came"
        assert self.of in ("", message.method), f"{message.start!r} is of {message.method}"
        _check(scene, message, self.headers, self.body, self.no_body)
        wrong = "" if self.check is None else self.check(scene, message)
        assert not wrong, wrong


@dataclass(frozen=True)
class Repeats(Step):
    """So many copies of one message have come, and nothing else.

    Args:
        what: A status or a method.
        times: How many; a pair for at least and at most.
    """

    what: int | str
    times: int | tuple[int, int]

    def play(self, scene: Scene) -> None:
        """Count them."""
        found = scene.waiting()
        wrong = [one.start for one in found if not _is(one, self.what)]
        assert not wrong, f"{wrong} came"
        low, high = self.times if isinstance(self.times, tuple) else (self.times, self.times)
        assert low <= len(found) <= high, f"{len(found)} came"
        assert len({one.data for one in found}) < 2, "they are not the same"


@dataclass(frozen=True)
class Quiet(Step):
    """Nothing comes."""

    def play(self, scene: Scene) -> None:
        """See that nothing has come."""
        found = scene.waiting()
        assert not found, f"there came {[one.start for one in found]}"


@dataclass(frozen=True)
class Closed(Step):
    """The party ends the connection; what it says before is not looked at."""

    def play(self, scene: Scene) -> None:
        """Wait for it."""
        while scene.peer.current is not None:
            assert scene.peer._read(5), "the connection stays"


@dataclass(frozen=True)
class HangUp(Step):
    """The peer ends its connection; rudely, if it is said so."""

    rudely: bool = False

    def play(self, scene: Scene) -> None:
        """Do it."""
        (scene.peer.reset if self.rudely else scene.peer.hang_up)()
        scene.stage.clock.advance()


@dataclass(frozen=True)
class Later(Step):
    """Time passes, in seconds."""

    seconds: float

    def play(self, scene: Scene) -> None:
        """Let it."""
        scene.stage.clock.advance(self.seconds)
        scene.log.append(f"{self.seconds:g} s pass")


@dataclass(frozen=True)
class Reply(Step):
    """Answer the party's last request of a method.

    Args:
        status: The status.
        to: The method.
        tag: The To tag; "" for none.
        headers: As for `Send`.
        body: The body.
        edit: As for `Send`.
    """

    status: int
    to: str = "INVITE"
    tag: str = "t1"
    headers: Headers = field(default_factory=dict)
    body: str = ""
    edit: tuple[Edit, ...] = ()

    def play(self, scene: Scene) -> None:
        """Send it."""
        request = scene.heard[self.to]
        body = scene.fill(self.body).encode()
        data = scene.response(request, self.status, self.tag, self.headers, body)
        data = _edited(scene, data, self.edit)
        response = Message.lenient(data)
        if self.to == "INVITE" and self.status > 100:
            if self.status >= 200 or response.to_tag not in scene.answers:
                scene.answers[response.to_tag] = response
            if not request.to_tag and self.status < 300:
                scene.local = response.get("to")
        scene.send(data)


@dataclass(frozen=True)
class Keep(Step):
    """Keep something of the last message that came, to be named `{kept.name}` from then on.

    Args:
        name: By which name.
        take: What of the message.
    """

    name: str
    take: Callable[[Message], Any]

    def play(self, scene: Scene) -> None:
        """Keep it."""
        assert scene.got is not None
        scene.kept[self.name] = self.take(scene.got)


@dataclass(frozen=True)
class Same(Step):
    """The last message that came has in it what was kept before.

    Args:
        name: What it was kept by.
        take: As for `Keep`.
        differs: Whether it is to be something else.
    """

    name: str
    take: Callable[[Message], Any]
    differs: bool = False

    def play(self, scene: Scene) -> None:
        """Compare."""
        assert scene.got is not None
        now, before = self.take(scene.got), scene.kept[self.name]
        assert (now != before) is self.differs, f"it is {now!r}, before {before!r}"
