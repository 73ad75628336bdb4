"""What the mutations start from.

Seeds come from two places: what stands here, so that fuzzing needs nothing but the project, and
the corpora where they are: torture messages, published examples and other projects' seeds. Their
folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is taken.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = [
    "CORPORA",
    "corpus",
    "header_lines",
    "messages",
    "rtcps",
    "rtps",
    "sdps",
    "streams",
    "uris",
]

ROOT = Path(__file__).resolve().parent.parent
CORPORA = Path(os.environ.get("SIPPARTY_CORPORA", ROOT.parent / "shared" / "corpora"))

#: Seeds are small: a change to a long one seldom meets what matters.
MAX_SEED = 8192

_INVITE = b"""INVITE sip:bob:pw@biloxi.com:5060;transport=tcp;lr?Subject=hi&Priority=urgent SIP/2.0
Via: SIP/2.0/UDP pc33.atlanta.com:5060;branch=z9hG4bK776asdhds;received=192.0.2.1;rport=5062
Via: SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKother , SIP / 2.0 / TLS first.example.com
Max-Forwards: 70
Record-Route: <sip:p1.example.com;lr>, "The \\"second\\"" <sip:p2.example.com;lr>
Route: <sips:p3.example.com;lr;maddr=239.255.255.1;ttl=15>
To: Bob <sip:bob@biloxi.com>
f: "Alice, \\\\ \xc3\xa9" <sip:alice%40home@atlanta.com;user=phone>;tag=1928301774
Call-ID: a84b4c76e66710@pc33.atlanta.com
CSeq: 314159 INVITE
m: <sip:alice@pc33.atlanta.com>;q=0.7;expires=3600, sip:carol@cube2214a.atlanta.com
Supported: 100rel,
 timer
k: replaces
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY
Session-Expires: 1800;refresher=uac
Date: Sat, 13 Nov 2010 23:29:00 GMT
Subject: lunch,\t
 and more
Content-Type: application/sdp;charset="utf-8"
Content-Length: %d

%s"""
_SDP = b"""v=0
o=alice 2890844526 2890844527 IN IP4 host.atlanta.example.com
s=\xc3\x9cber
i=A seminar
u=http://www.example.com/seminars/sdp.pdf
e=j.doe@example.com (Jane Doe)
p=+1 617 555-6011
c=IN IP4 224.2.36.42/127/3
b=AS:64
t=3034423619 3042462419
r=604800 3600 0 90000
r=7d 1h 0 25h
z=2882844526 -1h 2898848070 0
k=prompt
a=recvonly
m=audio 49170/2 RTP/AVP 0 8 97 101
i=speech
c=IN IP6 FF15::101/3
a=rtpmap:97 opus/48000/2
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=maxptime:40
a=rtcp:53020 IN IP4 126.16.64.4
a=rtcp-mux
a=sendonly
m=video 0 RTP/AVP 31
m=image 54111 UDPTL t38
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20|1:4
"""
_RESPONSE = b"""SIP/2.0 401 Unauthorized
v: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKnashds7
f: <sip:bob@biloxi.com>;tag=456248
t: <sip:bob@biloxi.com>;tag=84756
i: 843817637684230@998sdasdh09
CSeq: 1826 REGISTER
WWW-Authenticate: Digest realm="atlanta.com", nonce="84a4cc6f3082121f32b42a2187831a9e", qop="auth"
Retry-After: 18000 (in a meeting);duration=3600
Warning: 307 isi.edu "Session parameter 'foo' not understood", 301 a "b"
Expires: 0
Unsupported: foo
l: 0

"""
_KEEPALIVES = b"\r\n\r\n\r\n"

_HEADERS = """
Accept: application/sdp;level=1, text/html;q=0.5, */*
Accept-Contact: *;audio;require;explicit
Accept-Encoding: gzip;q=1.0, identity; q=0.5
Accept-Language: da, en-gb;q=0.8, *;q=0.1
Alert-Info: <http://www.example.com/sounds/moo.wav>;info=alert-autoanswer
Allow-Events: presence, dialog
Authentication-Info: nextnonce="47364c23432d2e131a5fb210812c", qop=auth, rspauth="00ff", \
nc=00000001
Authorization: Digest username="Alice", realm="atlanta.com", nonce="84a4", uri="sip:a@b", \
response="7587", qop=auth, nc=00000001, cnonce="0a"
Authorization: Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm="x", nonce="n", uri="/", \
response="0", userhash=false
Call-Info: <http://wwww.example.com/alice/photo.jpg>;purpose=icon, <http://www.example.com/>
Contact: *
Contact: "Caller" \
<sip:caller@[2001:db8::1]:5060;ob>;+sip.instance="<urn:uuid:f81d4fae-7dec>";reg-id=1;q=0.5
Content-Disposition: session;handling=optional
Content-Encoding: gzip, tar
Content-ID: <1@example.com>
Content-Language: fr, en
Content-Type: multipart/mixed; boundary="unique boundary \\" 1"
Date: Thu, 21 Feb 2002 13:02:03 GMT
Diversion: <tel:+14085551234;phone-context=+1>;reason=user-busy;privacy="full"
Error-Info: <sip:not-in-service-recording@atlanta.com>
Event: presence;id=1234
Expires: 7200
Feature-Caps: *;+g.3gpp.srvcc
Flow-Timer: 126
Geolocation: <cid:alice123@example.com>
History-Info: <sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1
Identity: \
eyJhbGciOiJFUzI1NiJ9.e30.sig;info=<https://cert.example.org/passport.cer>;alg=ES256;ppt="shaken"
In-Reply-To: 70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com
Info-Package: dtmf
Join: 12adf2f34456gs5;to-tag=12345;from-tag=54321
Max-Breadth: 60
MIME-Version: 1.0
Min-Expires: 60
Min-SE: 3600;lr
Organization: Boxes by Bob
P-Access-Network-Info: 3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11
P-Asserted-Identity: "Cullen Jennings" <sip:fluffy@cisco.com>, tel:+14085264000
P-Associated-URI: <sip:a@example.com>
P-Called-Party-ID: <sip:user1-business@example.com>
P-Charging-Vector: icid-value=1234bc9876e;icid-generated-at=192.0.6.8;orig-ioi=home1.net
P-Preferred-Identity: "Cullen Jennings" <sip:fluffy@cisco.com>
Path: <sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>
Priority: emergency
Privacy: header;user;critical
Proxy-Authenticate: Digest realm="atlanta.com", domain="sip:ss1.carrier.com", \
qop="auth,auth-int", nonce="f84", opaque="", stale=FALSE, algorithm=SHA-256, Basic realm="x"
Proxy-Authorization: Negotiate YWJjZGVm==
RAck: 776656 1 INVITE
Reason: SIP;cause=200;text="Call completed elsewhere", Q.850;cause=16
Recv-Info: P, R
Refer-Sub: false
Refer-To: \
<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345&Accept-Contact=a>
Referred-By: <sip:referrer@referrer.example>;cid="20398823.2UWQFN309shb3@referrer.example"
Reject-Contact: *;actor="msg-taker";video
Replaces: 425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only
Reply-To: Bob <sip:bob@biloxi.com>
Request-Disposition: proxy, recurse, parallel
Require: 100rel
Resource-Priority: dsn.flash, q735.3
Retry-After: 120
RSeq: 988789
Security-Client: ipsec-ike;q=0.1, tls;q=0.2;d-alg="md5"
Server: HomeServer v2 (build \\( 5)
Service-Route: <sip:P2.HOME.EXAMPLE.COM;lr>,<sip:HSP.HOME.EXAMPLE.COM;lr>
Session-Expires: 4000;refresher=uac
Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2
SIP-ETag: dx200xyz
Subscription-State: active;expires=3600, terminated;reason=noresource;retry-after=5
Suppress-If-Match: *
Target-Dialog: fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544
Timestamp: 54.2 0.3
Trigger-Consent: sip:123@relay.example.com;target-uri="sip:user@example.com"
User-Agent: Softphone Beta1.5 (x (y))
User-to-User: 56a390f3d2b7310023a2;encoding=hex;purpose=foo;content=bar
Via: SIP/2.0/UDP [::1];rport;received=[::1];branch=z9hG4bK-;ttl=16;maddr=224.2.0.1;x="a;b"
Warning: 370 devnull "Choose a bigger pipe", 301 isi.edu:5060 "x"
WWW-Authenticate: Digest realm="a", nonce="b", Digest realm="c", nonce="d", \
algorithm=SHA-512-256
"""

_URIS = rb"""
sip:alice@atlanta.com
sip:alice:secretword@atlanta.com;transport=tcp
sips:alice@atlanta.com?subject=project%20x&priority=urgent
sip:+1-212-555-1212:1234@gateway.com;user=phone
sips:1212@gateway.com
sip:alice@192.0.2.4:05060
sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com
sip:alice;day=tuesday@atlanta.com
sip:%61lice@atlanta.com;transport=TCP;lr;maddr=239.255.255.1;ttl=15
sip:a/b?c&d=e+f$g,h;i@[2001:db8::9:1]:6050;x=[::1]
sip:caller@[::ffff:192.0.2.128];;a=;b
sip:[2001:db8:::192.0.2.1]
SIP:user@host-.example..com
tel:+1-201-555-0123;phone-context=example.com;isub=1
urn:service:sos
urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6
mailto:alice@example.com
http://user@example.com:80/path?q=1#frag
cid:foo4%25foo1@bar.net
"Bob" <sip:bob@biloxi.com>;tag=1
"""


_MIXED = b"""\
Content-Type: multipart/mixed; boundary="x y"

Not for you.
--x y
Content-Type: application/sdp
Content-Disposition: session;handling=required

v=0

--x y\x20
Content-Type: application/isup;version=nxv3
Content-Disposition: signal;handling=optional
Content-Transfer-Encoding: base64
Content-ID: <x@y>

AQAJ
--x y

--x y--
Nor this.
"""

_NESTED = b"""\
Content-Type: multipart/related;start="<x@y>";type=text/plain;boundary=x

--x
Content-Type: multipart/alternative;boundary=xy

--xy
Content-Type: text/plain

v=0
--xy
c: application/sdp

v=0
--xy--
--x
Content-ID: <x@y>

--x-
--x--
"""


def _wire(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


@cache
def corpus(*folders: str) -> tuple[bytes, ...]:
    """Return the small files below some folders of the corpora, in order; none where they are
    not.
    """
    found = []
    for folder in folders:
        for path in sorted((CORPORA / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".csv", ".md"):
                data = path.read_bytes()
                if len(data) <= MAX_SEED:
                    found.append(data)
    return tuple(found)


def _sip_corpus() -> list[bytes]:
    found = corpus("fuzz/fuzz-sip", "fuzz/fuzz-sip-dialog", "rfc4475", "rfc5118", "rfc-messages")
    # Some are kept with bare line feeds.
    return [data if b"\r\n" in data else _wire(data) for data in found]


@cache
def messages() -> tuple[bytes, ...]:
    """Whole SIP messages."""
    sdp = _wire(_SDP)
    own = [_wire(_INVITE).replace(b"%d", str(len(sdp)).encode()).replace(b"%s", sdp)]
    own.append(_wire(_RESPONSE))
    # As some send it, with bare line feeds, and white space in the start line.
    own.append(_RESPONSE.replace(b"SIP/2.0 401", b"SIP/2.0  401"))
    own.append(
        _INVITE.replace(b"%d", b"0").replace(b"%s", b"").replace(b" SIP/2.0\n", b"\tSIP/2.0 \n")
    )
    own += [
        b"OPTIONS sip:a@b SIP/2.0\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n"
        for line in _own_lines()
    ]
    return (*own, *_sip_corpus())


def _own_lines() -> list[bytes]:
    return [line.encode() for line in _HEADERS.strip().splitlines()]


@cache
def header_lines(*names: str) -> tuple[bytes, ...]:
    """Header lines with these names, in lower case, or with any: `Name: value`."""
    lines = set(_own_lines())
    for message in messages():
        head = message.partition(b"\r\n\r\n")[0]
        lines.update(line for line in head.split(b"\r\n")[1:] if b":" in line)
    wanted = {name.encode() for name in names}
    return tuple(
        line
        for line in sorted(lines)
        if not wanted or line.partition(b":")[0].strip().lower() in wanted
    )


@cache
def uris() -> tuple[bytes, ...]:
    """URIs."""
    found = {*_URIS.strip().splitlines(), *corpus("fuzz/fuzz-uri")}
    for data in _sip_corpus():
        first = data.partition(b"\r\n")[0].split(b" ")
        if len(first) == 3 and first[1]:
            found.add(first[1])
    return tuple(sorted(found))


@cache
def sdps() -> tuple[bytes, ...]:
    """Session descriptions."""
    return (_wire(_SDP), *corpus("fuzz/fuzz-sdp", "fuzz/fuzz-sdes", "sdp"))


@cache
def streams() -> tuple[bytes, ...]:
    """What a connection brings: messages one after the other, with keep-alives between."""
    found = list(messages()[:6])
    found += [one for one in _sip_corpus() if b"ontent-" in one or b"\r\nl" in one]
    joined = [one + _KEEPALIVES[: 2 * (at % 4)] + found[0] for at, one in enumerate(found)]
    return (*joined, _KEEPALIVES, b"\r\n".join(found[:4]))


@cache
def bodies() -> tuple[bytes, ...]:
    """Bodies of several parts, and some of one, with the headers that describe them."""
    own = [_wire(text) for text in (_MIXED, _NESTED, b"SIP/2.0 100 Trying\n", b"\nplain")]
    for message in messages():
        head, _, body = message.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-")]
        if body and any(b"multipart" in line for line in lines):
            own.append(b"\r\n".join([*lines, b"", body]))
    return tuple(own)


@cache
def rtps() -> tuple[bytes, ...]:
    """RTP packets."""
    own = (
        bytes.fromhex("8000000100000001deadbeef") + b"\xff" * 160,
        bytes.fromhex("b2e5000100000001000000010000000200000003bede000110aa0000") + b"\x00\x02",
    )
    return (*own, *corpus("fuzz/fuzz-rtp", "vectors/rtp"))


@cache
def rtcps() -> tuple[bytes, ...]:
    """RTCP datagrams."""
    own = (
        bytes.fromhex(
            "81c8000c" "00000001" "e000000080000000" "00000100" "00000010" "00001000"
            "00000002" "05fffffe" "00010002" "00000007" "80000000" "00010000"
            "81ca0003" "00000001" "0103616263000000"
        ),
        bytes.fromhex("80c9000100000001" "82cb0003" "0000000100000002" "03627965"),
        bytes.fromhex(
            "80c9000100000001" "81cd000300000001000000020001ffff" "83cc0002000000016e616d65"
        ),
    )  # fmt: skip
    return (*own, *corpus("fuzz/fuzz-rtcp", "vectors/rtp"))
