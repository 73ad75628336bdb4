"""`sipparty watch` as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import connect

from sipparty.parties import AudioParty
from sipparty.trace.jsonl import as_json

from ..live.records import CALL

COMMAND = [sys.executable, "-m", "sipparty", "watch"]
PATIENCE = 40


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(f"{as_json(record)}\n" for record in CALL))
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
    )


def test_a_call_to_it_is_seen_on_its_page() -> None:
    command = [*COMMAND, "--web", "--port", "0", "--address", "127.0.0.1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            listening, serving = (json.loads(process.stdout.readline()) for _ in range(2))
            with urlopen(serving["url"], timeout=10) as page:
                assert b"<!doctype html>" in page.read()
            socket = serving["url"].replace("http:", "ws:").replace("/?", "/live?")
            with connect(socket) as told, AudioParty("alice@127.0.0.1") as alice:
                assert json.loads(told.recv(timeout=10))["calls"] == []
                # Whoever is asked for: without an account it is nobody's telephone.
                call = alice.invite(listening["uri"].replace("sipparty@", "bob@")).wait(10)
                while not (rows := json.loads(told.recv(timeout=10)).get("calls")):
                    pass
                assert rows[0]["caller"] == "alice@127.0.0.1"
                call.terminate().wait(10)
            process.send_signal(signal.SIGINT)
            assert json.loads(process.stdout.readline()) == {"event": "result", "exit": 0}
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def test_it_registers_first() -> None:
    with AudioParty("registrar@127.0.0.1", catch_all=True) as registrar:
        registrar.listen(port=None, address="127.0.0.1")
        registered = []

        @registrar.on_request("REGISTER")
        def bind(event: Any) -> None:
            contact = event.request["Contact"]
            registered.append(str(event.request["To"]))
            event.incoming.respond(200, headers=[("Contact", f"{contact};expires=60")])

        where = str(registrar.contact_uri).partition("@")[2]
        account = ["--from", "bob@biloxi.com", "--proxy", where, "--register"]
        done = run("--web", "--port", 0, "--address", "127.0.0.1", "--duration", 0, *account)
        assert done.returncode == 0, done.stderr
        assert "registered as sip:bob@biloxi.com" in done.stdout
        assert "bob@biloxi.com" in registered[0]
        assert len(registered) == 2  # the second one removes what the first has made


def test_a_registrar_that_is_not_there() -> None:
    account = ["--from", "bob@biloxi.com", "--proxy", "127.0.0.1:9;transport=tcp", "--register"]
    done = run("--web", "--port", 0, "--address", "127.0.0.1", *account)
    assert done.returncode == 3, done.stderr
    assert "127.0.0.1" in done.stderr
    assert "open http" not in done.stdout


def test_the_terminal(trace: Path) -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    command = [*COMMAND, str(trace)]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        try:
            shown = b""
            end = time.monotonic() + PATIENCE
            while b"Ringing" not in shown:
                assert select.select([master], [], [], end - time.monotonic())[0], shown
                shown += os.read(master, 65536)
            assert b"alice@atlanta.com" in shown
            os.write(master, b"q")
            while process.poll() is None:
                assert time.monotonic() < end
                if select.select([master], [], [], 0.05)[0]:
                    try:
                        os.read(master, 65536)
                    except OSError:
                        break
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            os.close(master)


def test_where_there_is_no_terminal(trace: Path) -> None:
    done = run(trace)
    assert done.returncode == 2
    assert "This is no terminal: write --web for a page" in re.sub(r"\s+", " ", done.stderr)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path / "none.jsonl", "--web")
    assert done.returncode == 4
    assert "No such file" in done.stderr
