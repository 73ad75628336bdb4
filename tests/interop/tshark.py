"""What went over the loopback interface in a test, as Wireshark sees it.

Laws:

* The capture begins before the test does anything and holds every packet of the test's block of
  ports.
* `Capture.check` fails on a packet that Wireshark cannot decode: one that is malformed, a SIP port
  that says something which is not SIP, a media port that was not described so that it decodes as
  RTP or RTCP, and whatever Wireshark itself calls an error or warns of.
* Empty lines that keep a connection open (RFC 5626 §3.5.1) are left out, and what TCP sends again.
* STUN, which may come to a media port (RFC 7983) from a peer that opens its NAT, is left out, and
  so are datagrams without octets, by which we do (RFC 6263).
* Of TCP, the data from or to a SIP port are looked at. Each message in a segment is a packet of its
  own here; one that came in several segments is where its last byte is.
* What goes over TLS is read with the keys that our own engine logs.
* Where this user may not capture, the messages that our own engine saw go to a pcap file instead,
  and that is what is checked; media are not in it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sipparty.concurrency.engine import Engine
from sipparty.trace import PcapWriter

from .loopback import LoopbackCapture
from .peer import Ports

__all__ = ["Capture", "Packet"]


@dataclass(frozen=True)
class Packet:
    """A packet, dissected; of a TCP segment with several messages, one of these.

    Args:
        number: In the capture, from 1.
        time: Seconds since the first.
        source: Port it came from.
        destination: Port it went to.
        protocols: What Wireshark took it for, from the outside in, such as "sip".
        malformed: Whether Wireshark could not make sense of it.
        errors: What Wireshark says is wrong with it.
        method: The method of a SIP request; "" for anything else.
        status: The status code of a SIP response; 0 for anything else.
        cseq: The CSeq of a SIP message; "" for anything else.
        payload_type: Of an RTP packet; -1 for anything else.
        payload: Of an RTP packet, or what stands there of an SRTP packet; b"" for anything else.
    """

    number: int
    time: float
    source: int
    destination: int
    protocols: tuple[str, ...]
    malformed: bool
    errors: str
    method: str
    status: int
    cseq: str
    payload_type: int
    payload: bytes

    @property
    def is_sip(self) -> bool:
        """Whether it holds a SIP message."""
        return bool(self.method or self.status)


class Capture:
    """The packets of a test.

    Args:
        tshark: Path of tshark.
        folder: Where the file goes.
        ports: The block of ports.
        permitted: Whether the interface may be captured, if the system thinks so too.
    """

    _FIELDS = (
        "frame.number",
        "frame.time_relative",
        "udp.srcport",
        "udp.dstport",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.reassembled_in",
        "frame.protocols",
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.message",
        "sip",
        "sip.CSeq",
        "rtp.p_type",
        "rtp.payload",
        "srtp.enc_payload",
    )
    #: Seconds after which tshark hangs, and is not only slow: it takes a fifth of one when idle.
    _LIMIT = 45
    #: Wireshark's numbers for the severities "Warning" and "Error".
    _ERRORS = frozenset({"6291456", "8388608"})
    #: By its first two bits and its magic cookie (RFC 8489 §5).
    _STUN = "(udp.payload[0] < 40 and udp.payload[4:4] == 21:12:a4:42)"
    #: A ping and a pong (RFC 5626 §3.5.1), and a segment once more.
    _KEEP_ALIVE = "tcp.payload == 0d:0a:0d:0a or tcp.payload == 0d:0a"
    _LEFT_OUT = f"({_KEEP_ALIVE} or tcp.analysis.retransmission)"
    #: What it says of TCP where a program that reads late is behind, and of what it has no key for.
    _HARMLESS = frozenset(
        {
            "TCP window specified by the receiver is now completely full",
            "Encrypted RTCP Payload - not dissected",
            # The user of a contact that a peer has drawn by chance, taken for a number.
            "Country Code contains non-decimal digits",
        }
    )
    #: What Wireshark takes a message for: a request with its method, or a status with its code.
    _MESSAGE = re.compile(r"Session Initiation Protocol \(([^;]*)\)")

    def __init__(self, tshark: str, folder: Path, ports: Ports, permitted: bool = True) -> None:
        self._tshark = tshark
        self.file = folder / "test.pcap"
        #: Ports that have to speak SIP.
        self.sip_ports: set[int] = set()
        #: SIP ports that say what is malformed, on purpose.
        self.excused_ports: set[int] = set()
        #: What Wireshark may say of what a peer of the test writes.
        self.excused_errors: set[str] = set()
        #: SIP ports that speak TLS, or WebSocket.
        self.tls_ports: set[int] = set()
        self.websocket_ports: set[int] = set()
        #: Where the keys of TLS are.
        self.key_log = folder / "keys.log"
        self._packets: list[Packet] | None = None
        self._tap: PcapWriter | None = None
        self._engines: list[Engine] = []
        self._loopback: LoopbackCapture | None = None
        if permitted:
            try:
                self._loopback = LoopbackCapture(ports.first, ports.last)
            except OSError:
                permitted = False
        #: Whether the capture is of the interface, so that media are in it.
        self.has_media = permitted
        if not permitted:
            self._tap = PcapWriter(self.file)

    def add(self, transport: str, port: int) -> None:
        """Note a port that has to speak SIP over a transport, such as "udp" or "wss"."""
        transport = transport.lower()
        if transport in ("tls", "wss"):
            self.tls_ports.add(port)
        if transport in ("ws", "wss"):
            self.websocket_ports.add(port)
        if transport in ("udp", "tcp"):
            self.sip_ports.add(port)

    def watch(self, engine: Engine) -> None:
        """Note an engine, in case that its own messages have to do."""
        if self._tap is not None and engine not in self._engines:
            self._engines.append(engine)
            engine.run(engine.wire.add, self._tap)

    def stop(self) -> None:
        """End the capture; may be called more than once."""
        if self._tap is not None:
            for engine in self._engines:
                if not engine.closed:
                    engine.run(engine.wire.remove, self._tap)
            self._engines.clear()
            self._tap.close()
        if self._loopback is not None:
            loopback, self._loopback = self._loopback, None
            loopback.save(self.file)

    def close(self) -> None:
        """End the capture whatever became of it."""
        if self._loopback is not None:
            self._loopback.close()
        if self._tap is not None:
            self._tap.close()

    # ---------------------------------------------------------------- what was seen

    @property
    def packets(self) -> list[Packet]:
        """Every packet; ends the capture."""
        if self._packets is None:
            self.stop()
            self._packets = list(self._dissect())
        return self._packets

    def _command(self) -> list[str]:
        command = [self._tshark, "-2", "-n", "-r", str(self.file), "-T", "fields"]
        command += ["-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=;"]
        streams = self.sip_ports | self.tls_ports | self.websocket_ports
        wanted = f"(udp.length > 8 and not {self._STUN})"
        # It takes all that follows on the way of a STUN packet for STUN.
        command += ["--disable-heuristic", "stun_udp"]
        if streams:
            some = ",".join(map(str, sorted(streams)))
            wanted += f" or (tcp.len > 0 and tcp.port in {{{some}}} and not {self._LEFT_OUT})"
        command += ["-Y", wanted]
        for port in sorted(self.sip_ports):
            command += ["-d", f"udp.port=={port},sip", "-d", f"tcp.port=={port},sip"]
        for port in sorted(self.tls_ports):
            inside = "http" if port in self.websocket_ports else "sip"
            command += ["-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},{inside}"]
        for port in sorted(self.websocket_ports - self.tls_ports):
            command += ["-d", f"tcp.port=={port},http"]
        if self.key_log.exists():
            command += ["-o", f"tls.keylog_file:{self.key_log}"]
        for name in self._FIELDS:
            command += ["-e", name]
        return command

    def _dissect(self) -> Iterator[Packet]:
        done = subprocess.run(self._command(), capture_output=True, text=True, timeout=self._LIMIT)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            yield from self._packets_of(line)

    def _packets_of(self, line: str) -> Iterator[Packet]:
        """What is in a frame: one packet, or each SIP message of a segment."""
        number, time, *rest = line.split("\t")
        (
            *ends,
            continued,
            protocols,
            malformed,
            severity,
            message,
            sip,
            cseq,
            kind,
            payload,
            encrypted,
        ) = rest
        source, destination = (int(end) for end in ends if end)
        harmless = message in self._HARMLESS
        bad = self._ERRORS.intersection(severity.split(";")) and not harmless
        packet = Packet(
            int(number),
            float(time),
            source,
            destination,
            tuple(protocols.split(":")),
            (bool(malformed) or "_ws.malformed" in protocols) and not harmless,
            message if bad else "",
            "",
            0,
            "",
            int(kind) if kind else -1,
            bytes.fromhex((payload or encrypted).replace(":", "")),
        )
        found = self._MESSAGE.findall(sip)
        for what, number in zip(found, cseq.split(";"), strict=False):
            status = int(what) if what.isdigit() else 0
            yield replace(packet, method="" if status else what, status=status, cseq=number)
        if not found and not self._is_part(packet, continued):
            yield packet

    def _is_part(self, packet: Packet, continued: str) -> bool:
        """Whether there is no message to be seen because the frame only helps one along."""
        if packet.malformed or packet.errors:
            return False
        ends = {packet.source, packet.destination}
        # The end of TLS may come after that of the connection, and is taken for plain data then.
        handshake = ends & self.tls_ports
        upgrade = ends & self.websocket_ports and "http" in packet.protocols
        return bool(continued or handshake or upgrade)

    def sent_by(self, port: int) -> list[Packet]:
        """The packets that came from a port."""
        return [packet for packet in self.packets if packet.source == port]

    def check(self) -> None:
        """Fail on what Wireshark cannot decode."""
        for packet in self.packets:
            if packet.source in self.excused_ports:
                continue
            place = f"{packet} in {self.file}"
            assert not packet.malformed, f"malformed: {place}"
            wrong = packet.errors not in self.excused_errors and packet.errors
            assert not wrong, f"in error: {place}"
            signalling = self.sip_ports | self.tls_ports | self.websocket_ports
            ends = {packet.source, packet.destination}
            if ends & self.websocket_ports and packet.protocols[-1] == "tcp":
                # Wireshark follows a WebSocket from its upgrade on, and loses it where the capture
                # has two segments the wrong way round; what it did follow is checked below.
                continue
            if ends & signalling:
                assert packet.is_sip, f"not SIP: {place}"
            else:
                media = {"rtp", "rtcp"} & set(packet.protocols)
                assert media, f"not described as media: {place}"
        on_websockets = [
            packet
            for packet in self.packets
            if {packet.source, packet.destination} & self.websocket_ports
        ]
        assert not on_websockets or any(packet.is_sip for packet in on_websockets)
