"""What attackers send by hand: requests that are right, WebSocket frames, and names of a dialog."""

from __future__ import annotations

import base64
import re
import struct

from sipparty.sip import Message

__all__ = ["HANDSHAKE", "frame", "options", "within"]

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


def frame(data: bytes, opcode: int = 2) -> bytes:
    """Return a WebSocket message in one frame, as a client sends it."""
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    elif len(data) < 65536:
        length = struct.pack("!BH", 0x80 | 126, len(data))
    else:
        length = struct.pack("!BQ", 0x80 | 127, len(data))
    # A mask of zeros changes nothing (RFC 6455 §5.3).
    return bytes([0x80 | opcode]) + length + bytes(4) + data


def options(mark: bytes, here: bytes, user: bytes) -> bytes:
    """Return an OPTIONS request that is as it should be."""
    return (
        b"OPTIONS sip:%b SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP %b;branch=z9hG4bK%b;rport\r\nMax-Forwards: 70\r\n"
        b"From: <sip:friend@example.com>;tag=%b\r\nTo: <sip:bob@biloxi.com>\r\n"
        b"Call-ID: %b\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ) % (user, here, mark, mark, mark)


_AUDIO = re.compile(rb"^m=audio ([0-9]+)", re.M)


def within(answer: bytes) -> dict[str, bytes]:
    """Return what names requests in the dialog that a 2xx has made, as its caller sends them."""
    message = Message.parse(answer)
    contact = message.lines("Contact")[0]
    audio = _AUDIO.search(answer)
    port = 0 if audio is None else int(audio[1])
    return {
        "target": contact[contact.index("<") + 1 : contact.index(">")].encode(),
        "local": message.lines("To")[0].encode(),
        "remote": message.lines("From")[0].encode(),
        "call": (message.call_id or "").encode(),
        "audio": b"%d %d" % (port, port + 1),
    }
