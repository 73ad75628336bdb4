"""What the mutations of live fuzzing start from: messages for a party that is really there.

Names in braces, `{call}`, stand for what only the call itself knows; they are filled in after the
mutation, where it has left them whole.
"""

from __future__ import annotations

import re
from functools import cache

from fuzz import seeds
from fuzz.mutation import Mutator

__all__ = ["fill", "in_dialog", "invites", "requests", "responses", "sdps", "with_odd_header"]

_NAME = re.compile(rb"\{([a-z]{2,8})\}")


def fill(data: bytes, values: dict[bytes, bytes]) -> bytes:
    """Put what is known in the place of its names."""
    return _NAME.sub(lambda found: values.get(found[1], found[0]), data)


def _wire(text: str) -> bytes:
    return text.strip().replace("\n", "\r\n").encode() + b"\r\n\r\n"


_REQUEST = """
{method} sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP {{here}};branch=z9hG4bK{{fresh}};rport
Max-Forwards: 70
From: "Mallory \\"M\\"" <sip:mallory@example.com>;tag=m{{fresh}}
To: <sip:bob@biloxi.com>
Call-ID: {{fresh}}@mallory
CSeq: 1 {method}
Contact: "M" <sip:mallory@{{here}};ob>;+sip.instance="<urn:uuid:f81d4fae-7dec>"
{more}
"""
_MORE = {
    "INVITE": "Supported: 100rel, timer\nAllow: INVITE, ACK, BYE\nSubject: lunch\nExpires: 120\n"
    "Session-Expires: 1800;refresher=uac\nRecord-Route: <sip:{here};lr>\nPriority: urgent\n"
    'Alert-Info: <http://example.com/moo.wav>\nDate: Sat, 13 Nov 2010 23:29:00 GMT',
    "OPTIONS": "Accept: application/sdp;level=1, text/html;q=0.5\nAccept-Language: da, en;q=0.8",
    "MESSAGE": "Content-Type: text/plain;charset=utf-8\nContent-Language: fr\nExpires: 3600",
    "REGISTER": 'Path: <sip:p3.example.com;lr>\nAuthorization: Digest username="bob", '
    'realm="biloxi.com", nonce="84a4", uri="sip:biloxi.com", response="7587", qop=auth, '
    'nc=00000001, cnonce="0a"',
    "SUBSCRIBE": "Event: presence;id=1\nExpires: 600\nAllow-Events: presence, dialog",
    "NOTIFY": "Event: refer;id=93809824\nSubscription-State: active;expires=60",
    "REFER": "Refer-To: <sip:dave@example.org?Replaces=1%40b%3Bto-tag%3D2>\n"
    'Referred-By: <sip:r@example.com>;cid="2@b"\nRefer-Sub: false',
    "PUBLISH": "Event: presence\nSIP-If-Match: dx200xyz\nContent-Type: application/pidf+xml",
    "INFO": "Info-Package: dtmf\nContent-Type: application/dtmf-relay",
    "UPDATE": "Session-Expires: 90;refresher=uas\nMin-SE: 90",
    "PRACK": "RAck: 1 1 INVITE\nRequire: 100rel",
    "BYE": 'Reason: SIP;cause=200;text="Call completed elsewhere"',
    "ACK": "User-Agent: x (y)",
    "CANCEL": "Reason: Q.850;cause=16",
    "DANCE": "Retry-After: 120 (soon);duration=3\nWarning: 370 devnull \"Choose\"",
}  # fmt: skip

_DIALOG = """
{method} {{target}} SIP/2.0
Via: SIP/2.0/UDP {{here}};branch=z9hG4bK{{fresh}};rport
Max-Forwards: 70
From: {{remote}}
To: {{local}}
Call-ID: {{call}}
CSeq: {{number}} {method}
Contact: <sip:mallory@{{here}}>
{more}
"""

_RESPONSE = """
SIP/2.0 {status} Whatever
Via: {{via}}
From: {{local}}
To: {{remote}}
Call-ID: {{call}}
CSeq: {{number}} {{method}}
Contact: <sip:peer@{{here}};x=y>
Record-Route: <sip:{{here}};lr>, <sip:{{here}};lr;n=2>
{more}
"""
_ANSWERS = {
    100: "Timestamp: 54.2 0.3",
    180: 'Alert-Info: <http://example.com/moo.wav>\nServer: S (x)\nCall-Info: <sip:a@b>',
    183: "Require: 100rel\nRSeq: 988789\nContent-Type: application/sdp",
    199: 'Reason: SIP;cause=200;text="elsewhere"',
    200: "Allow: INVITE, BYE\nSupported: timer\nSession-Expires: 1800;refresher=uas",
    202: "Expires: 60",
    302: "Contact: <sip:peer@{here};transport=udp?Subject=x>;q=0.7, <sip:b@{here}>;expires=3",
    305: "Contact: *",
    401: 'WWW-Authenticate: Digest realm="a", nonce="84a4", qop="auth,auth-int", '
    'algorithm=SHA-256\nWWW-Authenticate: Digest realm="a", nonce="84a4", opaque="x"',
    407: 'Proxy-Authenticate: Digest realm="a", nonce="n", stale=TRUE, domain="sip:a", '
    "algorithm=MD5, qop=auth, Basic realm=\"x\"",
    420: "Unsupported: timer, 100rel",
    422: "Min-SE: 3600",
    423: "Min-Expires: 60",
    481: "Error-Info: <sip:not-in-service@example.com>",
    486: "Retry-After: 18000 (in a meeting);duration=3600",
    488: 'Warning: 301 isi.edu "Incompatible network address formats", 399 a "b"',
    503: "Retry-After: 1",
}  # fmt: skip

_INVITE = """
INVITE sip:carol@chicago.com SIP/2.0
Via: SIP/2.0/UDP {here};branch=z9hG4bK{fresh};rport
Max-Forwards: 70
From: <sip:mallory@example.com>;tag=m{fresh}
To: <sip:carol@chicago.com>
Call-ID: {fresh}@mallory
CSeq: 1 INVITE
Contact: <sip:mallory@{here}>
Content-Type: application/sdp
"""

#: An offer, or an answer, that a party with audio takes.
GOOD_SDP = (
    b"v=0\r\no=m 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio {media} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    b"a=rtcp:{media} IN IP4 127.0.0.1\r\n"
)


@cache
def requests() -> tuple[bytes, ...]:
    """Requests outside of dialogs; those of the corpora as they are, and for one who is there."""
    own = [_wire(_REQUEST.format(method=m, more=more)) for m, more in _MORE.items()]
    found = list(own) * 12
    for data in seeds.messages():
        found.append(data)
        if not data.startswith(b"SIP/"):
            line, _, rest = data.partition(b"\r\n")
            words = line.split(b" ")
            if len(words) >= 3:
                words[1:-1] = [b"sip:bob@biloxi.com"]
            found += [b" ".join(words) + b"\r\n" + rest] * 3
    return tuple(found)


@cache
def in_dialog() -> tuple[bytes, ...]:
    """Requests inside of a call."""
    own = [_wire(_DIALOG.format(method=m, more=more)) for m, more in _MORE.items()]
    for method in ("INVITE", "UPDATE", "ACK", "PRACK"):
        head = _wire(_DIALOG.format(method=method, more="Content-Type: application/sdp"))
        own.append(head + GOOD_SDP)
    return tuple(own)


@cache
def responses() -> tuple[bytes, ...]:
    """Responses to a request of a party's."""
    own = [_wire(_RESPONSE.format(status=s, more=more)) for s, more in _ANSWERS.items()]
    for status in (180, 183, 200, 200):
        head = _wire(_RESPONSE.format(status=status, more="Content-Type: application/sdp"))
        own.append(head + GOOD_SDP)
    return tuple(own)


@cache
def invites() -> tuple[bytes, ...]:
    """The heads of INVITEs whose bodies are mutated."""
    return (_wire(_INVITE),)


@cache
def sdps() -> tuple[bytes, ...]:
    """Session descriptions: those of the corpora, and more often one that can be agreed on."""
    return (*[GOOD_SDP] * max(8, len(seeds.sdps()) // 4), *seeds.sdps())


#: What a header may have for a value, and had better not: empty lists, addresses that are none.
_ODD = (
    b"", b",", b";", b", ,", b"*", b"<>", b"<", b'"', b'"\\', b"<sip:>", b"<sip:@>", b"sip:a@b;lr",
    b"<sip:a%zz@x>", b"<sip:a@-x>", b"<sip:a@x?b>", b"<sip:a@1.2.3.999>", b"<sip:\x1b@x>",
    b"<tel:>", b"<sip:a\0@x>;tag=1", b"<sip:a@[::1>", b"<sips:a@b>", b"<sip:a@b:99999>", b"<urn:x>",
    b"0", b"-1", b"99999999999", b"1e9", b"\xff\xfe", b"a/b;c", b"SIP/2.0/UDP ,",
    b"SIP/2.0/UDP a;branch",
    b"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK;maddr=127.0.0.9;ttl=0", b"Digest", b"Digest ,",
    b'Digest realm="', b"1 INVITE", b"1 ACK", b"x" * 300, b"a=b;c=d" * 40,
    b"<sip:a@b>" + b",a" * 50,
)  # fmt: skip
_NAMES = (
    b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Route", b"Record-Route", b"Expires",
    b"Max-Forwards", b"Content-Type", b"Content-Length", b"Require", b"Accept", b"Authorization",
    b"Proxy-Authorization", b"WWW-Authenticate", b"Content-Disposition", b"Content-Encoding",
    b"Supported", b"Event", b"Refer-To", b"Replaces", b"RAck", b"RSeq", b"Retry-After", b"Warning",
    b"Session-Expires", b"Date", b"Timestamp", b"Reason", b"Subject", b"Priority",
)  # fmt: skip


def with_odd_header(mutator: Mutator, data: bytes) -> bytes:
    """Give a header another value, or a message another header."""
    head, gap, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    odd = mutator.choose(_ODD)
    at = 1 + mutator.below(len(lines))
    if at < len(lines) and mutator.below(3):
        lines[at] = lines[at].partition(b":")[0] + b": " + odd
    else:
        lines.insert(at, mutator.choose(_NAMES) + b": " + odd)
    return b"\r\n".join(lines) + gap + body
