"""SIPp, the tool that plays a scenario: each message it sends, and each that it expects.

A run passes only where the other side does what the scenario says, message by message, so the
scenarios in the folder `scenarios` are the tests as much as the Python around them.

A scenario may hold placeholders, `%NAME%`: those of `_PARTS`, which spell out what all scenarios
share, and those that a test fills in.
"""

from __future__ import annotations

import re
from pathlib import Path

from .peer import Peer, Ports, Transport, bound_ports, require, wait_for
from .tshark import Capture

__all__ = ["Run", "SIPp"]

_SCENARIOS = Path(__file__).parent / "scenarios"
_PLACEHOLDER = re.compile(r"%([A-Z_]+)%")

_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>"

#: What scenarios share.
_PARTS = {
    # Of each request by the side that calls; the tag is empty until it is known.
    "CALLER": f"""Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=caller[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
Max-Forwards: 70
{_CONTACT}""",
    # Of each response by the side that is called; the tag is for the first response to take.
    "ANSWER": f"""[last_Via:]
[last_From:]
[last_To:];tag=called[call_number]
[last_Call-ID:]
[last_CSeq:]
{_CONTACT}""",
    # Of each response inside of a dialog, on either side.
    "REPLY": f"""[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
{_CONTACT}""",
    # Of each request by the side that is called, once KEEP_PEER was in the INVITE's <recv>.
    "CALLED": f"""Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From[$us];tag=called[call_number]
To[$them]
Call-ID: [call_id]
Max-Forwards: 70
{_CONTACT}""",
    "KEEP_PEER": """<action>
      <ereg regexp=":.*" search_in="hdr" header="From" assign_to="them"/>
      <ereg regexp=":.*" search_in="hdr" header="To" assign_to="us"/>
    </action>""",
    # What INVITED answers with, after other requests have come.
    "KEEP_INVITE": """<action>
      <ereg regexp=":.*" search_in="hdr" header="Via" assign_to="via"/>
      <ereg regexp=":.*" search_in="hdr" header="From" assign_to="them"/>
      <ereg regexp=":.*" search_in="hdr" header="To" assign_to="us"/>
      <ereg regexp=":.*" search_in="hdr" header="CSeq" assign_to="cseq"/>
    </action>""",
    # Of each response to the INVITE by the side that is called, whatever came after it.
    "INVITED": f"""Via[$via]
From[$them]
To[$us];tag=called[call_number]
Call-ID: [call_id]
CSeq[$cseq]
{_CONTACT}""",
    "SDP": """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [media_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000""",
}


class Run:
    """One scenario being played.

    Args:
        peer: The program.
        port: Its SIP port.
        folder: Where its logs are.
        transport: How SIP travels.
    """

    def __init__(self, peer: Peer, port: int, folder: Path, transport: Transport) -> None:
        self.peer = peer
        self.port = port
        self._folder = folder
        self._transport = transport

    def uri(self, user: str = "service") -> str:
        """The URI to call it by."""
        return self._transport.uri(user, self.port)

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"{self._transport.literal}:{self.port}"

    def finish(self, timeout: float = 10.0) -> None:
        """Wait for its end, and fail unless the scenario was followed to its end."""
        wait_for(lambda: not self.peer.running, f"{self.peer.name} ended", timeout, self.describe)
        code = self.peer.process.returncode
        assert code == 0, f"{self.peer.name} ended with {code}.\n{self.describe()}"

    def describe(self) -> str:
        """What it logged."""
        logs = [self._folder / f"{self.peer.name}.{log}" for log in ("errors", "messages")]
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())


class SIPp:
    """Starts SIPp; a fixture.

    Args:
        folder: Where scenarios and logs go.
        ports: The test's ports.
        transport: How SIP travels.
        capture: What has to know SIP ports; None where nothing is captured.
    """

    def __init__(
        self, folder: Path, ports: Ports, transport: Transport, capture: Capture | None
    ) -> None:
        self._program = require("sipp")
        self._folder = folder
        self._ports = ports
        self._transport = transport
        self._capture = capture
        self._runs: list[Run] = []

    def answer(self, scenario: str | Path, *options: str, **values: object) -> Run:
        """Wait for calls; returns once it listens.

        Args:
            scenario: The file's name without ".xml", or the path of another.
            options: Further options of SIPp.
            values: What placeholders stand for.
        """
        run = self._start(scenario, options, values, ())
        wait_for(
            lambda: run.port in bound_ports(self._transport.kind) or not run.peer.running,
            "SIPp listens",
            detail=run.describe,
        )
        assert run.peer.running, f"{run.peer.name} ended at once.\n{run.peer.output[-2000:]}"
        return run

    def call(
        self, scenario: str | Path, port: int, *options: str, user: str = "bob", **values: object
    ) -> Run:
        """Call a port at once.

        Args:
            scenario: The file's name without ".xml", or the path of another.
            port: Where to.
            options: Further options of SIPp.
            user: The user part of the request-URI.
            values: What placeholders stand for.
        """
        target = (f"{self._transport.literal}:{port}", "-s", user)
        return self._start(scenario, options, values, target)

    def _start(
        self,
        scenario: str | Path,
        options: tuple[str, ...],
        values: dict[str, object],
        target: tuple[str, ...],
    ) -> Run:
        port = self._ports.take()
        media = self._ports.take(4)
        path = scenario if isinstance(scenario, Path) else _SCENARIOS / f"{scenario}.xml"
        name = f"sipp{len(self._runs)}-{path.stem}"
        text = path.read_text()
        file = self._folder / f"{name}.xml"
        known = {**_PARTS, **values}
        while _PLACEHOLDER.search(text):  # a value may hold others
            text = _PLACEHOLDER.sub(lambda match: str(known[match[1]]), text)
        file.write_text(text)
        host = self._transport.host
        command = [self._program, *target, "-sf", str(file), "-t", self._transport.sipp]
        command += ["-i", host, "-p", str(port), "-bind_local", "-mi", host, "-mp", str(media)]
        # The control port of one SIPp must not be another's: it searches from here on.
        command += ["-ci", "127.0.0.1", "-cp", str(self._ports.take()), "-nostdin"]
        command += ["-timeout", "15s", "-timeout_error", "-recv_timeout", "8000"]
        command += ["-timer_resol", "2", "-trace_err", "-error_file", f"{name}.errors"]
        command += ["-trace_msg", "-message_file", f"{name}.messages"]
        if "-m" not in options:
            command += ["-m", "1"]
        if self._capture is not None:
            self._capture.sip_ports.add(port)
        run = Run(
            Peer([*command, *options], self._folder, name), port, self._folder, self._transport
        )
        self._runs.append(run)
        return run

    def stop(self) -> None:
        """Kill what still runs."""
        for run in self._runs:
            run.peer.stop(signal=9)
