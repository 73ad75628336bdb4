"""The commands as programs, with SIPp, and with Kamailio as a PBX."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .certificates import Certificates
from .pbx import DOMAIN, PASSWORD, PBX
from .peer import TCP, TLS, UDP, Peer, Transport, over, wait_for
from .sipp import SIPp

Make = Callable[..., Any]

TEXT = "Watson, come here."


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Peer]]:
    """Start a command, without accounts and colours."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("SIPPARTY_PASSWORD", PASSWORD)
    made: list[Peer] = []

    def start(*arguments: object) -> Peer:
        command = [sys.executable, "-m", "sipparty", *map(str, arguments)]
        made.append(Peer(command, tmp_path, f"sipparty-{len(made)}"))
        return made[-1]

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


def code(peer: Peer, timeout: float = 10) -> int:
    """The exit code, once it has ended."""
    wait_for(lambda: not peer.running, f"{peer.name} ended", timeout, lambda: peer.output)
    return int(peer.process.returncode)


def events(peer: Peer) -> dict[str, Any]:
    """What `--json` has printed, by its event: the last of each."""
    return {line["event"]: line for line in map(json.loads, peer.output.splitlines())}


@over(UDP)
def test_call(sipp: SIPp, begin: Make) -> None:
    run = sipp.answer("uas_call")
    done = begin("call", run.uri(), "--duration", "0.1", "-H", "Subject: tea", "--json")
    assert code(done) == 0, done.output
    run.finish()
    assert events(done)["ended"]["ended_by"] == "us"
    assert events(done)["result"] == {"event": "result", "exit": 0, "answered": True}


@over(UDP)
def test_a_call_that_is_refused(sipp: SIPp, begin: Make) -> None:
    run = sipp.answer("uas_refuses", STATUS=486, REASON="Busy Here", MORE="X-Test: interop")
    done = begin("call", run.uri())
    assert code(done) == 1, done.output
    assert "486 Busy Here" in done.output
    run.finish()


@over(UDP)
def test_answer(sipp: SIPp, begin: Make, transport: Transport) -> None:
    listen = ("--port", 0, "--address", transport.literal, "--transport", transport.name)
    answer = begin("answer", *listen, "--once", "--json")
    wait_for(lambda: "listening" in answer.output, "it listens", 10, lambda: answer.output)
    port = int(events(answer)["listening"]["uri"].split(";")[0].rpartition(":")[2])
    run = sipp.call("uac_call", port, MILLISECONDS=20)
    assert code(answer) == 0, answer.output
    run.finish()
    assert events(answer)["ended"]["ended_by"] == "them"


@over(UDP)
def test_message(sipp: SIPp, begin: Make) -> None:
    run = sipp.answer("uas_message", TEXT=TEXT, TYPE="text/plain", STATUS=200)
    done = begin("message", run.uri(), TEXT)
    assert code(done) == 0, done.output
    assert "delivered" in done.output
    run.finish()


@over(TCP)
def test_listen(sipp: SIPp, begin: Make, transport: Transport) -> None:
    listen = ("--port", 0, "--address", transport.literal, "--transport", transport.name)
    listening = begin("listen", *listen, "--count", 1, "--json")
    wait_for(lambda: "listening" in listening.output, "it listens", 10, lambda: listening.output)
    port = int(events(listening)["listening"]["uri"].split(";")[0].rpartition(":")[2])
    run = sipp.call("uac_message", port, TEXT=TEXT)
    assert code(listening) == 0, listening.output
    run.finish()
    assert events(listening)["sent"]["status"] == 200


@over(TCP)
def test_registered_asked_and_called_through_a_pbx(
    pbx: Make, begin: Make, transport: Transport
) -> None:
    """Its options, a registration that lasts, is listed, brings a call and is removed."""
    office: PBX = pbx(transports=[transport.name])
    account = ("--proxy", office.uri(transport.name))
    bob = (*account, "--from", f"bob@{DOMAIN}", "--user", "bob")
    alice = (*account, "--from", f"alice@{DOMAIN}", "--user", "alice")
    asked = begin("options", office.uri(transport.name), "-c", 2, "-i", 0.01, "--json")
    assert code(asked) == 0, asked.output
    assert events(asked)["result"]["received"] == 2

    carried = ("--transport", transport.name, "--address", transport.literal)
    answer = begin("answer", *bob, "--register", "--port", 0, *carried, "--once")
    wait_for(lambda: "listening" in answer.output, "it listens", 10, lambda: answer.output)
    listed = begin("register", *bob, "--list", "--json")
    assert code(listed) == 0, listed.output
    assert len(events(listed)["result"]["bindings"]) == 1
    call = begin("call", f"bob@{DOMAIN}", *alice, "--duration", "0.1")
    assert code(call) == 0, call.output
    assert code(answer) == 0, answer.output
    gone = begin("register", *bob, "--list")
    assert code(gone) == 0, gone.output
    assert "Nothing is registered" in gone.output


@over(TLS)
def test_register_until_ctrl_c(
    pbx: Make, begin: Make, transport: Transport, certificates: Certificates
) -> None:
    office: PBX = pbx(transports=[transport.name])
    proxy = office.uri(transport.name).partition(";")[0]
    account = ("--proxy", proxy, "--transport", "tls", "--from", f"bob@{DOMAIN}", "--user", "bob")
    doubtful = begin("register", *account)
    assert code(doubtful) == 3, doubtful.output
    assert "authorit" in doubtful.output
    account = (*account, "--ca", certificates.authority)
    registered = begin("register", *account)
    wait_for(lambda: "registered" in registered.output, "it has", 10, lambda: registered.output)
    registered.process.send_signal(signal.SIGINT)
    assert code(registered) == 0, registered.output
    assert "unregistered" in registered.output
    refused = begin("register", *account, "--password", "coffee")
    assert code(refused) == 1, refused.output
    assert "password is wrong" in refused.output


@over(UDP)
def test_subscribe(sipp: SIPp, pbx: Make, begin: Make, transport: Transport) -> None:
    office: PBX = pbx(transports=[transport.name])
    account = ("--proxy", office.uri("udp"), "--from", f"alice@{DOMAIN}", "--user", "alice")
    subscribed = begin(
        "subscribe", f"bob@{DOMAIN}", "presence", *account, "--duration", 1, "--json"
    )
    assert code(subscribed) == 0, subscribed.output
    assert "subscribed" in events(subscribed), subscribed.output
