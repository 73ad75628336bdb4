"""The torture messages of RFC 4475 and RFC 5118: read, written back, and sent to a party that
listens, by UDP and by TCP, whose answer is what the RFC's prose asks of an endpoint.

The folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is
tried. Where there is none the tests skip, saying so.

Every message has a party and an engine of its own, since many of them share a branch. The party
takes calls without media and is no registrar. One thing is added to what goes by UDP: `rport` in
the top Via, without which the answer would go to port 5060 (RFC 3581 §3). By TCP a message is sent
as it is.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import ParseError
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.party import Party
from sipparty.sip import Message, Request
from sipparty.sip.framing import StreamFramer
from sipparty.sip.validation import findings, first_fault
from sipparty.transport.resolver import Resolver

CHECKOUT = Path(__file__).resolve().parents[2]
CORPORA = (CHECKOUT / os.environ.get("SIPPARTY_CORPORA", "../shared/corpora")).resolve()
LOOPBACK = "127.0.0.1"
PATIENCE = 10

pytestmark = pytest.mark.skipif(
    not (CORPORA / "rfc4475").is_dir(), reason=f"no corpora at {CORPORA}: set SIPPARTY_CORPORA"
)


class Case(NamedTuple):
    """What is to come of a message.

    Args:
        parses: Whether it can be read at all, and is written back to the letter.
        udp: The final status of the answer; 0 for none.
        tcp: The same by TCP, where a message has to say how long it is (RFC 3261 §18.3); None for
            that of UDP.
        fault: The header that validation finds fault with; "" for none.
        aor: Whom the party is, where the Request-URI does not say it.
    """

    parses: bool
    udp: int
    tcp: int | None = None
    fault: str = ""
    aor: str = ""


CASES = {
    # RFC 4475 §3.1.1: valid
    "wsinv.dat": Case(True, 481),  # read; its To tag names a dialog that is not there
    "intmeth.dat": Case(True, 501),
    "esc01.dat": Case(True, 200),
    "escnull.dat": Case(True, 405),  # REGISTER, and no registrar
    "esc02.dat": Case(True, 501),
    "lwsdisp.dat": Case(True, 200),
    "longreq.dat": Case(True, 200),
    "dblreq.dat": Case(True, 405),
    "semiuri.dat": Case(True, 200),
    "transports.dat": Case(True, 200),
    "mpart01.dat": Case(True, 405),  # MESSAGE, which nobody handles here
    "unreason.dat": Case(True, 0),
    "noreason.dat": Case(True, 0),
    # §3.1.2: invalid
    "badinv01.dat": Case(True, 400, fault="Via"),
    "clerr.dat": Case(False, 400, tcp=0),  # by TCP there is nothing to do but wait
    "ncl.dat": Case(False, 400),
    "scalar02.dat": Case(True, 400, fault="CSeq"),
    "scalarlg.dat": Case(True, 0, fault="CSeq"),
    "quotbal.dat": Case(True, 400, fault="To"),
    "ltgtruri.dat": Case(True, 400, fault="Request-URI"),
    "lwsruri.dat": Case(False, 400),
    "lwsstart.dat": Case(True, 200),
    "trws.dat": Case(True, 200),
    "escruri.dat": Case(True, 400, fault="Request-URI"),
    "baddate.dat": Case(True, 200),  # a Date that is not used is not in the way
    "regbadct.dat": Case(True, 400, fault="Contact"),
    "badaspec.dat": Case(True, 200),
    "baddn.dat": Case(False, 400, tcp=0),  # the file ends before its head does
    "badvers.dat": Case(True, 505, fault="SIP-Version"),
    "mismatch01.dat": Case(True, 400, fault="CSeq"),
    "mismatch02.dat": Case(True, 400, fault="CSeq"),
    "bigcode.dat": Case(False, 0),
    # §3.2: transactions
    "badbranch.dat": Case(True, 200),  # taken as RFC 2543 had it
    # §3.3: application
    "insuf.dat": Case(True, 400, fault="From"),
    "unkscm.dat": Case(True, 416, fault="Request-URI"),
    "novelsc.dat": Case(True, 416, fault="Request-URI"),
    "unksm2.dat": Case(True, 405),
    "bext01.dat": Case(True, 420),
    "invut.dat": Case(True, 415),
    "regaut01.dat": Case(True, 405),
    "multi01.dat": Case(True, 400, fault="Max-Forwards"),
    "mcl01.dat": Case(True, 400, fault="Content-Length"),
    "bcast.dat": Case(True, 0),
    "zeromf.dat": Case(True, 200),
    "cparam01.dat": Case(True, 405),
    "cparam02.dat": Case(True, 405),
    "regescrt.dat": Case(True, 405),
    "sdp01.dat": Case(True, 406),
    # §3.4: RFC 2543; without a Content-Length it cannot come by a stream
    "inv2543.dat": Case(True, 200, tcp=400),
    # RFC 5118
    "ipv6-good": Case(True, 405),
    "ipv6-bad": Case(True, 400, fault="Request-URI"),
    "port-ambiguous": Case(True, 405),
    "port-unambiguous": Case(True, 405),
    "via-received-param-with-delim": Case(True, 481),
    "via-received-param-no-delim": Case(True, 200),  # to the host, where one party alone is
    "ipv6-in-sdp": Case(True, 200),
    "mult-ip-in-header": Case(True, 481),
    "mult-ip-in-sdp": Case(True, 200),
    "ipv4-mapped-ipv6": Case(True, 200),
    "ipv6-bug-abnf-3-colons": Case(True, 200, aor="user@[2001:db8::192.0.2.1]"),
    "ipv6-correct-abnf-2-colons": Case(True, 200),
}

#: The sent-by of the first Via.
SENT_BY = re.compile(
    rb"(?im)^((?:v|via)[ \t]*:\s*SIP\s*/\s*[27]\.0\s*/\s*\w+\s+"
    rb"(?:\[[^\]]*\]|[^\s:;,]+)(?::[0-9]+)?)"
)
REQUEST_AOR = re.compile(rb"\S+ sips?:([^@ ]+@(?:\[[^\]]*\]|[^;?: ]+))")


def path_of(name):
    return CORPORA / ("rfc4475" if name.endswith(".dat") else "rfc5118") / name


def read(name):
    data = path_of(name).read_bytes()
    if not name.endswith(".dat"):
        # These were kept with bare line feeds, and without the empty line where there is no body.
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if b"\r\n\r\n" not in data:
            data = data.rstrip(b"\r\n") + b"\r\n\r\n"
        if name == "ipv6-in-sdp":
            # What the RFC prints of its body is shorter than it says.
            data = data.replace(b"Content-Length: 268", b"Content-Length: 251")
    return data


#: What is read, and never sent on as it came: white space in the start line (§3.1.2.9, §3.1.2.10).
REWRITTEN = {
    "lwsstart.dat": (
        b"INVITE  sip:user@example.com  SIP/2.0",
        b"INVITE sip:user@example.com SIP/2.0",
    ),
    "trws.dat": (b" SIP/2.0  \r\n", b" SIP/2.0\r\n"),
}

every_message = pytest.mark.parametrize("name", CASES)


def test_no_message_is_left_out():
    files = {path.name for room in ("rfc4475", "rfc5118") for path in (CORPORA / room).iterdir()}
    assert files - {"test.dat"} == set(CASES)  # test.dat is in the archive, and in no section


@every_message
def test_it_is_read_and_written_back(name):
    data = read(name)
    if not CASES[name].parses:
        with pytest.raises(ParseError):
            Message.parse(data)
        return
    message = Message.parse(data)
    if name in REWRITTEN:
        assert REWRITTEN[name][0] in data
        data = data.replace(*REWRITTEN[name])
    assert data.startswith(bytes(message))
    for header in message:
        try:
            message.all(header)
        except ParseError:
            continue
    assert data.startswith(bytes(message))


@every_message
def test_validation_finds_what_the_rfc_says(name):
    case = CASES[name]
    if not case.parses:
        return
    message = Message.parse(read(name))
    fault = first_fault(message)
    assert (fault.header if fault else "") == case.fault
    if fault is not None:
        assert fault == findings(message)[0]
        if isinstance(message, Request):
            assert fault.status == case.udp


@every_message
def test_it_is_read_with_bare_line_feeds(name):
    data = read(name)
    head, empty, body = data.partition(b"\r\n\r\n")
    if CASES[name].parses:
        bare = head.replace(b"\r\n", b"\n") + b"\n\n" + body
        assert empty
        assert bytes(Message.parse(bare)) == bytes(Message.parse(data))


def test_validation_lists_the_rest():
    statuses = {
        name: findings(Message.parse(read(name))) for name in ("baddate.dat", "multi01.dat")
    }
    assert next(found for found in statuses["baddate.dat"] if found.header == "Date").status == 0
    repeated = {found.header for found in statuses["multi01.dat"] if "Duplicate" in found.what}
    assert repeated == {"Max-Forwards", "CSeq", "Call-ID", "From", "To"}


# -------------------------------------------------------------------- live

#: What is sent behind a message: its answer says that the message before has none.
LAST = (
    b"OPTIONS sip:nobody@nowhere.example SIP/2.0\r\n"
    b"Via: SIP/2.0/TRANSPORT 192.0.2.1;rport;branch=z9hG4bKlast\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:last@example.com>;tag=last\r\nTo: <sip:last@example.com>\r\n"
    b"Call-ID: the-last-one\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def send(monkeypatch):
    """Send bytes to a party of their own; gives the final response to them, or None."""
    monkeypatch.setattr(Engine, "CLOSE_TIMEOUT", 0.05)
    monkeypatch.setattr(Party, "CLOSE_TIMEOUT", 0.05)

    async def unknown(name, kind):
        raise OSError("There are no names here.")

    engine = Engine(resolver=Resolver(lookup=unknown, hosts=None))
    parties = []

    def exchange(data, aor, transport, last=True):
        party = NoMediaSimpleCallsParty(aor, engine=engine)
        parties.append(party)
        party.listen(None, address=LOOPBACK, transport=transport)
        kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(PATIENCE)
            sock.connect((LOOPBACK, party.contact_uri.port))
            sock.sendall(data)
            if last:
                sock.sendall(LAST.replace(b"TRANSPORT", transport.encode()))
            else:
                sock.shutdown(socket.SHUT_WR)
            for response in responses(sock, transport):
                if response.call_id == "the-last-one":
                    break
                if response.status >= 200:
                    return response
            return None

    yield exchange
    for party in parties:
        party.close()
    engine.close()


def responses(sock, transport):
    """What comes by a socket, to its end."""
    framer = StreamFramer()
    while data := sock.recv(65535):
        if transport == "UDP":
            yield Message.parse(data)
        else:
            yield from (Message.parse(event) for event in framer.feed(data))


def aor_of(name, data):
    """Whom a message is for: the address in its Request-URI, where that names a user."""
    found = REQUEST_AOR.match(data)
    return CASES[name].aor or (found.group(1).decode() if found else "user@example.com")


@every_message
def test_its_answer_by_udp(name, send):
    data = read(name)
    sent = SENT_BY.sub(rb"\1;rport", data, count=1)
    assert sent != data
    check(name, send(sent, aor_of(name, data), "UDP"), CASES[name].udp)


@every_message
def test_its_answer_by_tcp(name, send):
    data = read(name)
    case = CASES[name]
    status = case.udp if case.tcp is None else case.tcp
    # Where it is not known where the message ends, the connection's end is the answer.
    check(name, send(data, aor_of(name, data), "TCP", last=case.tcp != 0), status)


def check(name, response, status):
    """Check an answer, and what the RFC says it must hold."""
    assert (response.status if response else 0) == status
    if response is None:
        return
    if CASES[name].fault != "To":  # one that cannot be read is sent back as it came
        assert not response.lines("To") or "tag" in response.lines("To")[0]
    if status in (405, 501):
        assert "INVITE" in response.allow
    elif status == 420:
        assert response.unsupported == ("nothingSupportsThis", "nothingSupportsThisEither")
    elif status == 415:
        assert "application/sdp" in response["Accept"]
    elif status == 406:
        assert response["Warning"].code == 399
    elif status == 400:
        assert response.reason != "Bad Request"  # §21.4.1: it says what is wrong
