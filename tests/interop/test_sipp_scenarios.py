"""SIPp's own scenarios, from its XML: played here against SIPp, and by SIPp against us."""

from __future__ import annotations

import asyncio
import csv
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.load.sipp import Options, Player, ScenarioStatistics, read_program

from .peer import TCP, UDP, UDP6, Ports, Transport, bound_ports, missing, over, require, wait_for
from .sipp import Run, SIPp
from .tshark import Capture

#: Who calls whom: every pair of built-in scenarios that fits together.
PAIRS = [("uac", "uas"), ("branchc", "branchs"), ("uac", "3pcc-A"), ("uac", "3pcc-B")]
#: One looks for addresses of IPv4 in the messages.
PAIRS4 = [*PAIRS, ("regexp", "uas")]
CALLS = 5


@pytest.fixture
def built_in(tmp_path: Path) -> Callable[[str], Path]:
    """Return a scenario that SIPp has built in, with pauses that a test has the time for."""
    program = require("sipp")

    def write(name: str) -> Path:
        printed = subprocess.run(
            [program, "-sd", name], capture_output=True, text=True, check=False, timeout=10
        ).stdout
        text = re.sub(r'milliseconds\s*=\s*"\d+"', 'milliseconds="50"', printed)
        path = tmp_path / f"built-in-{name}.xml"
        path.write_text(text)
        return path

    return write


class Stage:
    """Players of ours, beside SIPp.

    Args:
        transport: How SIP travels.
        ports: The test's ports.
    """

    def __init__(self, transport: Transport, ports: Ports) -> None:
        self.host = transport.host
        self.transport = transport.name.upper()
        self.port = ports.take()
        self.media = ports.take(4)

    def player(
        self, engine: Engine, scenario: Path, remote: tuple[str, int] | None, **more: Any
    ) -> Player:
        """Make what plays a scenario."""
        options = Options(
            transport=self.transport,
            local=(self.host, self.port),
            media=(self.host, self.media),
            timeout=8.0,
            **more,
        )
        return Player(engine, read_program(scenario), options, remote, folder=scenario.parent)

    def call(self, scenario: Path, run: Run, calls: int = CALLS, **more: Any) -> ScenarioStatistics:
        """Play a caller to its end; the other side goes first, as it closes no connection."""

        async def main() -> ScenarioStatistics:
            engine = Engine.current()
            async with self.player(engine, scenario, (self.host, run.port), **more) as player:
                found = await asyncio.wait_for(player.play(calls, rate=50), 20)
                await asyncio.get_running_loop().run_in_executor(None, run.finish)
            await engine.aclose()
            return found

        return asyncio.run(main())

    def answer(
        self, scenario: Path, start: Callable[[], Run], calls: int = CALLS
    ) -> ScenarioStatistics:
        """Play who is called, and have it called."""

        async def main() -> ScenarioStatistics:
            engine = Engine.current()
            async with self.player(engine, scenario, None) as player:
                run = start()
                found = await asyncio.wait_for(player.play(calls), 20)
                await asyncio.get_running_loop().run_in_executor(None, run.finish)
            await engine.aclose()
            return found

        return asyncio.run(main())


@pytest.fixture
def stage(transport: Transport, ports: Ports) -> Stage:
    """What plays scenarios here."""
    return Stage(transport, ports)


def counted(folder: Path, name: str) -> Counter[str]:
    """Return what SIPp has counted, from its file: messages by method or status, and the rest."""
    (path,) = folder.glob(f"*{name}_*_counts.csv")
    with path.open(newline="") as file:
        titles, *_, last = csv.reader(file, delimiter=";")
    found: Counter[str] = Counter()
    for title, value in zip(titles, last, strict=True):
        _, _, rest = title.partition("_")
        what, _, kind = rest.rpartition("_")
        if kind in ("Sent", "Recv"):
            found[what] += int(value)
        elif kind in ("Timeout", "Unexp"):
            found[kind] += int(value)
    return +found


def assert_fits(ours: ScenarioStatistics, theirs: Counter[str]) -> None:
    """See that all calls went through, and that both sides have counted the same.

    What was sent again is not compared: a busy machine makes either side impatient.
    """
    assert ours.succeeded == CALLS, str(ours)
    assert ours.failed == ours.out_of_call == 0, str(ours)
    mine: Counter[str] = Counter()
    for command, row in zip(ours.program.commands, ours.rows, strict=True):
        if command.kind in ("send", "recv"):
            mine[command.name] += row.messages
            mine["Unexp"] += row.unexpected
            mine["Timeout"] += row.timeouts
    assert +mine == theirs, str(ours)


@over(UDP)
@pytest.mark.parametrize("pair", PAIRS4, ids="-".join)
def test_sipp_is_called(
    pair: tuple[str, str],
    stage: Stage,
    sipp: SIPp,
    built_in: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    caller, called = pair
    run = sipp.answer(built_in(called), "-m", str(CALLS), "-trace_counts")
    assert_fits(stage.call(built_in(caller), run), counted(tmp_path, called))


@over(UDP)
@pytest.mark.parametrize("pair", PAIRS4, ids="-".join)
def test_sipp_calls(
    pair: tuple[str, str],
    stage: Stage,
    sipp: SIPp,
    built_in: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    caller, called = pair
    options = ("-m", str(CALLS), "-r", "50", "-trace_counts")
    found = stage.answer(
        built_in(called), lambda: sipp.call(built_in(caller), stage.port, *options)
    )
    assert_fits(found, counted(tmp_path, caller))


@over(UDP6, TCP)
def test_over_other_transports(
    stage: Stage, sipp: SIPp, built_in: Callable[[str], Path], tmp_path: Path
) -> None:
    run = sipp.answer(built_in("uas"), "-m", str(CALLS), "-trace_counts")
    assert_fits(stage.call(built_in("uac"), run), counted(tmp_path, "uas"))


@over(TCP)
def test_sipp_calls_by_tcp(
    stage: Stage, sipp: SIPp, built_in: Callable[[str], Path], tmp_path: Path
) -> None:
    options = ("-m", str(CALLS), "-r", "50", "-trace_counts")
    found = stage.answer(built_in("uas"), lambda: sipp.call(built_in("uac"), stage.port, *options))
    assert_fits(found, counted(tmp_path, "uac"))


class TestThirdPartyCallControl:
    """A controller calls A and B, by two programs with a connection between them: one is SIPp."""

    def play(
        self,
        stage: Stage,
        sipp: SIPp,
        built_in: Callable[[str], Path],
        ports: Ports,
        ours: str,
        theirs: str,
    ) -> ScenarioStatistics:
        sides = {
            side: sipp.answer(built_in(side), "-m", str(CALLS)) for side in ("3pcc-A", "3pcc-B")
        }
        called = {"3pcc-C-A": sides["3pcc-A"], "3pcc-C-B": sides["3pcc-B"]}
        twin = ports.take()

        def start() -> Run:
            options = ("-3pcc", f"127.0.0.1:{twin}", "-m", str(CALLS), "-r", "50")
            return sipp.call(built_in(theirs), called[theirs].port, *options)

        async def main() -> ScenarioStatistics:
            engine = Engine.current()
            loop = asyncio.get_running_loop()
            if ours == "3pcc-C-A":
                run = start()
                await loop.run_in_executor(None, self.wait_for_twin, twin, run)
            player = stage.player(
                engine, built_in(ours), (stage.host, called[ours].port), twin=("127.0.0.1", twin)
            )
            async with player:
                if ours == "3pcc-C-B":
                    run = start()
                found = await asyncio.wait_for(player.play(CALLS, rate=50), 20)
                for one in (run, *sides.values()):
                    await loop.run_in_executor(None, one.finish)
            await engine.aclose()
            return found

        return asyncio.run(main())

    @staticmethod
    def wait_for_twin(port: int, run: Run) -> None:
        wait_for(
            lambda: port in bound_ports(socket.SOCK_STREAM) or not run.peer.running,
            "the twin listens",
            detail=run.describe,
        )

    @pytest.mark.parametrize(
        ("ours", "theirs"), [("3pcc-C-A", "3pcc-C-B"), ("3pcc-C-B", "3pcc-C-A")]
    )
    def test_half_of_the_controller(
        self,
        stage: Stage,
        sipp: SIPp,
        built_in: Callable[[str], Path],
        ports: Ports,
        ours: str,
        theirs: str,
    ) -> None:
        found = self.play(stage, sipp, built_in, ports, ours, theirs)
        assert found.succeeded == CALLS, str(found)
        assert found.failed == found.out_of_call == 0, str(found)


def test_a_capture_and_keys_are_played(
    stage: Stage, sipp: SIPp, built_in: Callable[[str], Path], capture: Capture | None
) -> None:
    if capture is None:
        missing("tshark is not installed")
    scenario = built_in("uac_pcap")
    text = scenario.read_text()
    folder = Path("/usr/share/sip-tester")
    if not (folder / "dtmf_2833_1.pcap").exists():
        missing("SIPp's captures are not installed")
    text = text.replace('play_pcap_audio="pcap/g711a.pcap"', 'play_dtmf="4"')
    scenario.write_text(text.replace('"pcap/dtmf', f'"{folder}/dtmf').replace('"50"', '"250"'))
    run = sipp.answer(built_in("uas"), "-m", "1")
    found = stage.call(scenario, run, calls=1)
    assert found.succeeded == 1, str(found)
    heard = {packet.payload[0] for packet in capture.packets if packet.payload}
    assert heard == {1, 4}  # telephone events: the key is the first octet (RFC 4733 section 2.3)


#: A caller with a line of a CSV file for each call, and who asks for its password.
_HEAD = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
  From: <sip:[field0]@[local_ip]>;tag=a[call_number]
  To: <sip:bob@[remote_ip]>
  Call-ID: [call_id]
  CSeq: [cseq] OPTIONS
  Max-Forwards: 70
  Content-Length: 0"""
_ASKS = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="asks">
<send retrans="500"><![CDATA[
  OPTIONS sip:bob@[remote_ip]:[remote_port] SIP/2.0
  {_HEAD}
]]></send>
<recv response="401" auth="true"/>
<send retrans="500"><![CDATA[
  OPTIONS sip:bob@[remote_ip]:[remote_port] SIP/2.0
  {_HEAD.replace("Content-Length", "[field1]" + chr(10) + "  Content-Length")}
]]></send>
<recv response="200" rtd="true"/>
</scenario>"""
_REPLY = """[last_Via:]
  [last_From:]
  [last_To:];tag=b[call_number]
  [last_Call-ID:]
  [last_CSeq:]
  Content-Length: 0"""
_PROVES = f"""<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="proves">
<recv request="OPTIONS"/>
<send><![CDATA[
  SIP/2.0 401 Unauthorized
  WWW-Authenticate: Digest realm="biloxi.com", nonce="[call_number]ab", qop="auth", algorithm=MD5
  {_REPLY}
]]></send>
<recv request="OPTIONS">
  <action><verifyauth assign_to="right" username="alice" password="wonder"/></action>
</recv>
<nop next="yes" test="right"/>
<send next="end"><![CDATA[
  SIP/2.0 403 Forbidden
  {_REPLY}
]]></send>
<label id="yes"/>
<send><![CDATA[
  SIP/2.0 200 OK
  {_REPLY}
]]></send>
<label id="end"/>
<pause milliseconds="50"/>
</scenario>"""


@pytest.mark.parametrize("ours", ["caller", "called"])
def test_credentials_from_a_file(stage: Stage, sipp: SIPp, tmp_path: Path, ours: str) -> None:
    users = tmp_path / "users.csv"
    users.write_text("SEQUENTIAL\nalice;[authentication username=alice password=wonder]\n")
    asks, proves = tmp_path / "asks.xml", tmp_path / "proves.xml"
    asks.write_text(_ASKS)
    proves.write_text(_PROVES)
    if ours == "caller":
        run = sipp.answer(proves, "-m", str(CALLS))
        found = stage.call(asks, run, injections=(users,))
    else:
        options = ("-m", str(CALLS), "-inf", str(users), "-r", "50")
        found = stage.answer(proves, lambda: sipp.call(asks, stage.port, *options))
    assert found.succeeded == CALLS, str(found)
