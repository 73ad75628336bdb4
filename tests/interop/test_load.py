"""`sipparty load` calls SIPp, and they agree on what happened."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .peer import Peer, Ports, bound_ports, require, wait_for
from .tshark import Capture

SCRIPT = """
async def scenario(run):
    with run.step("answer"):
        call = await run.invite()
    with run.step("hang up"):
        call.terminate()
        await call
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def load(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Run the command with `--json`: its exit code, its result, and what it wrote to its error."""
    command = [sys.executable, "-m", "sipparty", "load", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, lines[-1] if lines else {}, done.stderr


@pytest.fixture
def sipp_uas(tmp_path: Path, ports: Ports, capture: Capture | None) -> Any:
    """SIPp's own UAS: its port, and what stops it and gives its last statistics."""
    port, counts = ports.take(), tmp_path / "counts.csv"
    if capture is not None:
        capture.sip_ports.add(port)
    command = [require("sipp"), "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    command += ["-cp", str(ports.take()), "-mp", str(ports.take(4))]
    command += ["-trace_stat", "-stf", str(counts), "-fd", "1", "-buff_size", str(1 << 22)]
    peer = Peer(command, tmp_path, "sipp-uas")

    def stop() -> dict[str, str]:
        peer.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: not peer.running, "SIPp ended", 8)
        with counts.open(newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))[-1]

    try:
        wait_for(lambda: port in bound_ports("udp"), "SIPp listens")
        yield port, stop
    finally:
        peer.stop(signal=9)


@pytest.mark.parametrize("processes", [1, 2])
def test_both_count_the_same(sipp_uas: Any, script: Path, processes: int, tmp_path: Path) -> None:
    port, stop = sipp_uas
    report = tmp_path / ("load.html" if processes == 2 else "load.txt")
    code, result, errors = load(
        *(script, f"127.0.0.1:{port}", "--rate", 60, "--calls", 40, "--ramp", 1),
        *("--processes", processes, "--threshold", "retransmitted == 0", "--report", report),
    )
    assert code == 0, errors
    theirs = stop()
    calls = result["calls"]
    assert calls["begun"] == calls["succeeded"] == 40
    assert int(theirs["IncomingCall(C)"]) == int(theirs["SuccessfulCall(C)"]) == 40
    assert int(theirs["FailedCall(C)"]) == int(theirs["Retransmissions(C)"]) == 0
    assert result["counts"]["sent"] == result["counts"]["received"] == 3 * 40
    assert result["steps"]["answer"]["count"] == result["steps"]["hang up"]["count"] == 40
    assert ("<svg" if processes == 2 else "40 succeeded (100 %)") in report.read_text()


def test_nobody_answers(script: Path, ports: Ports, capture: Capture | None) -> None:
    port = ports.take()
    if capture is not None:
        capture.sip_ports.add(port)
    code, result, _ = load(script, f"127.0.0.1:{port}", "--rate", 50, "--calls", 5)
    assert code == 5
    assert result["calls"]["failed"] == 5
    assert result["passed"] is False


def test_what_cannot_be_is_said(script: Path) -> None:
    code, _, errors = load(script, "127.0.0.1", "--rate", 0)
    assert code == 2
    assert "rate is above 0, not 0.0" in " ".join(errors.replace("│", " ").split())
    assert "Traceback" not in errors


def test_ctrl_c_lets_calls_end(sipp_uas: Any, script: Path) -> None:
    port, stop = sipp_uas
    command = [sys.executable, "-m", "sipparty", "load", str(script), f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "--rate", "50", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["begun"] > 0
    os.kill(process.pid, signal.SIGINT)
    result = json.loads(process.communicate(timeout=20)[0].splitlines()[-1])
    assert process.returncode == 0
    assert result["calls"]["begun"] == result["calls"]["succeeded"] > 0
    assert "The load was stopped before its end." in result["remarks"]
    assert int(stop()["SuccessfulCall(C)"]) == result["calls"]["succeeded"]
