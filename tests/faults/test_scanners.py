"""SIPVicious: svmap looks for who is there, svwar for who has a name, svcrack for a password. A
party that is authenticating lets none of them in, and serves whom it knows meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sipparty.sip.events import CallReceived, RequestReceived

from ..interop.peer import Peer, require, wait_for
from .defender import PATIENCE, Defender
from .raw import LOOPBACK

Start = Callable[..., Peer]

#: What svcrack says where it has found a password.
FOUND = "| Password |"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a tool of SIPVicious against a port, with options and with words to guess by."""
    monkeypatch.setenv("HOME", str(tmp_path))  # it keeps sessions there
    made: list[Peer] = []

    def start(tool: str, port: int, *options: str, words: Any = ()) -> Peer:
        command = [require(tool), *options, "-b", LOOPBACK, "-p", str(port)]
        # Each searches for a port of its own from the one that it is given.
        command += ["-P", str(20_000 + 100 * len(made))]
        if words:
            file = tmp_path / f"words{len(made)}"
            file.write_text("\n".join(words) + "\n")
            command += ["-d", str(file)]
        made.append(Peer([*command, LOOPBACK], tmp_path, f"{tool}{len(made)}"))
        return made[-1]

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


def finish(bob: Defender, *peers: Peer) -> None:
    """Wait for the end of tools; what is sent to them again and again is given up meanwhile."""

    def is_over() -> bool:
        bob.clock.advance(40)
        return not any(peer.running for peer in peers)

    wait_for(is_over, "the tools ended", PATIENCE, lambda: "".join(peer.output for peer in peers))


def authenticating(defended: Any, password: str = "correct horse") -> Defender:
    """Make a defender that admits alice and bob alone."""
    bob: Defender = defended(
        authenticator={"bob": password, "alice": "secret"},
        credentials=("alice", "secret"),
        auto_answer=True,  # though handlers hear of calls
    )
    return bob


def test_who_is_there_and_who_has_a_name(defended: Any, start: Start, events: Any) -> None:
    """All at once: nobody is called, and nothing is taken, whatever is tried; and no name is told
    from another, so that there is no point in going on.
    """
    bob = authenticating(defended)
    happened = events(bob.party, CallReceived, RequestReceived)
    names = ["bob", "alice", *map(str, range(100, 150))]
    tools = [start("svmap", bob.port), start("svmap", bob.port, "-m", "INVITE")]
    tools += [
        start("svwar", bob.port, "-m", method, words=names)
        for method in ("INVITE", "OPTIONS", "REGISTER")
    ]
    wait_for(lambda: bob.received() > 4, "the tools have begun", PATIENCE)
    assert happened.empty()
    with bob.call():
        assert happened.next().call.authenticated == "alice"
    finish(bob, *tools)
    assert happened.empty()
    for tool in tools:
        assert tool.process.returncode == 0, tool.output
    for tool in tools[:2]:
        assert f"{LOOPBACK}:{bob.port}" in tool.output, tool.output
    for tool in tools[2:]:
        assert "noauth" not in tool.output
    bob.check()


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "INVITE"])
def test_passwords_are_guessed(
    defended: Any, start: Start, events: Any, wire: Any, method: str
) -> None:
    """None of many is the right one, and after ten of them it is made to wait, and gives up; who
    knows a password gets in meanwhile, from the same address.
    """
    bob = authenticating(defended)
    bob.party.on_request("REGISTER", lambda event: event.incoming.respond(200))
    happened = events(bob.party, CallReceived, RequestReceived)
    records = wire(bob.engine)
    words = [f"guess{number}" for number in range(200)] + ["bob", "horse", "Correct Horse"]
    options = ("-u", "bob", "-m", method, "--requesturi", f"sip:bob@{LOOPBACK}:{bob.port}")
    tool = start("svcrack", bob.port, *options, words=words)

    def proofs() -> int:
        guesses = (b'username="bob"' in record.data for record in records)
        return len([True for guess in guesses if guess])

    wait_for(lambda: proofs() > 5, "the tool has begun", PATIENCE, lambda: tool.output)
    with bob.call():
        happened.next(CallReceived)
    waits = lambda: any(b"SIP/2.0 480 " in one.data for one in records)  # noqa: E731
    wait_for(waits, "the tool has to wait", PATIENCE, lambda: tool.output)
    if method != "INVITE":
        tool.stop()  # it takes ten seconds to give up: once is enough
    finish(bob, tool)
    assert FOUND not in tool.output
    assert happened.empty()
    bob.check()
    answers = [one.data for one in records if one.direction == "sent" and b'"bob"' in one.data]
    assert {data.split()[1] for data in answers} - {b"100"} == {b"401", b"480"}


def test_the_tool_would_find_a_password_that_is_guessed(defended: Any, start: Start) -> None:
    bob = authenticating(defended, "123456")
    words = ["111111", "123456", "654321"]
    uri = f"sip:bob@{LOOPBACK}:{bob.port}"
    options = ("-u", "bob", "-m", "OPTIONS", "--requesturi", uri)
    tool = start("svcrack", bob.port, *options, words=words)
    finish(bob, tool)
    assert FOUND in tool.output
    bob.check()
