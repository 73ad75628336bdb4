"""rtpengine, a relay of media: it is told of offers and answers, and changes them to go through it.

It runs without its kernel module. What is asked of it goes by its protocol "ng", over UDP: a cookie
that the answer repeats, and a dictionary in the encoding of BitTorrent's files. `Gateway` is a
B2BUA of ours that has the media of each call go through one.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sipparty.b2bua import B2BUA

from .peer import Peer, Ports, bound_ports, require, wait_for
from .tshark import Capture

__all__ = ["Gateway", "RTPEngine"]

#: What it is told of every description: nothing of where it came from stays, and no ICE is added.
_ALWAYS = {"replace": ["origin", "session-connection"], "ICE": "remove", "DTLS": "off"}


def _encode(value: object) -> bytes:
    match value:
        case Mapping():
            return b"d%be" % b"".join(_encode(key) + _encode(value[key]) for key in value)
        case list() | tuple():
            return b"l%be" % b"".join(map(_encode, value))
        case int():
            return b"i%de" % value
        case str():
            return _encode(value.encode())
        case bytes():
            return b"%d:%b" % (len(value), value)
    raise TypeError(value)


def _decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value at an index, and the index after it; texts as bytes, but for the keys."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in b"dl":
        at += 1
        values = []
        while data[at : at + 1] != b"e":
            value, at = _decode(data, at)
            values.append(value)
        if kind == b"l":
            return values, at + 1
        keys = [key.decode() for key in values[::2]]
        return dict(zip(keys, values[1::2], strict=True)), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class RTPEngine:
    """One rtpengine; its interfaces are called "IPv4" and, where this machine has it, "IPv6".

    Args:
        folder: Where its output goes.
        ports: The test's ports.
        capture: What has to know that its control is no media; None where nothing is captured.
    """

    #: Ports of media: two for RTP and two for RTCP, on either side of a call.
    _MEDIA = 8

    def __init__(self, folder: Path, ports: Ports, capture: Capture | None) -> None:
        program = require("rtpengine")
        first, self._port, own = ports.take(self._MEDIA), ports.take(), ports.take()
        command = [program, "--config-file=none", "--table=-1", "--foreground", "--log-stderr"]
        command += ["--log-level=6", f"--listen-ng=127.0.0.1:{self._port}", "--num-threads=2"]
        command += [f"--port-min={first}", f"--port-max={first + self._MEDIA - 1}"]
        command += ["--interface=IPv4/127.0.0.1"]
        if _has_ipv6():
            command += ["--interface=IPv6/::1"]
        self._peer = Peer(command, folder, "rtpengine")
        self._cookies = itertools.count()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", own))
        self._socket.settimeout(5.0)
        if capture is not None:
            capture.excused_ports |= {self._port, own}

    def wait_until_ready(self) -> None:
        """Wait until it takes commands."""
        wait_for(
            lambda: self._port in bound_ports(socket.SOCK_DGRAM) or not self._peer.running,
            "rtpengine listens",
            detail=lambda: self._peer.output,
        )
        assert self._peer.running, self._peer.output
        self.tell("ping")

    def tell(self, command: str, **values: object) -> dict[str, Any]:
        """Give it a command, and return what it answers.

        Args:
            command: Such as "offer".
            values: What goes with it; "_" stands for "-" in a name.
        """
        named = {name.replace("_", "-"): value for name, value in values.items()}
        cookie = b"%d " % next(self._cookies)
        self._socket.sendto(
            cookie + _encode({"command": command, **named}), ("127.0.0.1", self._port)
        )
        data = self._socket.recv(65_536)
        assert data.startswith(cookie), data
        answer: dict[str, Any] = _decode(data.removeprefix(cookie))[0]
        failed = answer["result"] not in (b"ok", b"pong")
        assert not failed, f"{command}: {answer}\n{self._peer.output}"
        return answer

    def stop(self) -> None:
        """End it; may be called more than once."""
        self._socket.close()
        self._peer.stop()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Gateway(B2BUA):
    """A B2BUA that has one number, and the media of each call go through an rtpengine.

    Attributes:
        engine_of_media: The rtpengine.
        target: Who is called for a call.
        wishes: What rtpengine is told of offers, beside what it is of all descriptions, such as
            {"codec": {"transcode": ["PCMA"]}}.
        described: What the sides were given, the last one last.
    """

    engine_of_media: RTPEngine
    target: str
    wishes: Mapping[str, object]

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.described: list[bytes] = []
        self._given: dict[tuple[Any, bytes], bytes] = {}
        super().__init__(*args, **settings)

    def route(self, call: Any, request: Any) -> str:
        return self.target

    def change_description(self, description: bytes, leg: Any) -> bytes:
        key = (leg, description)
        if key not in self._given:
            incoming = leg.bridge.incoming
            values: dict[str, object] = {"call_id": incoming.call_id, "from_tag": "caller"}
            values |= {"sdp": description, **_ALWAYS}
            if leg is incoming:
                told = self.engine_of_media.tell("answer", to_tag="called", **values)
            else:
                told = self.engine_of_media.tell("offer", **values, **self.wishes)
            self._given[key] = told["sdp"]
            self.described.append(told["sdp"])
        return self._given[key]
