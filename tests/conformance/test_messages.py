"""How messages are written: what is read all the same, and what is refused (RFC 3261 §7, §18.3,
§20, §25; RFC 4475).
"""

from __future__ import annotations

from .probe import Probe, cases, run
from .stage import Stage
from .steps import Ack, Expect, Pieces, Quiet, Raw, Send, Within

#: Header fields that are written in an unusual way, of OPTIONS that are right.
WRITTEN: tuple[tuple[str, str, dict[str, object]], ...] = (
    (
        "RFC 3261 §7.3.3",
        "compact forms",
        {
            "Via": None,
            "v": "SIP/2.0/{WAY} {place};branch=z9hG4bKc{unique};rport",
            "From": None,
            "f": "{local}",
            "To": None,
            "t": "{remote}",
            "Call-ID": None,
            "i": "{call_id}",
            "Contact": None,
            "m": "{contact}",
            "k": "",
        },
    ),
    (
        "RFC 3261 §7.3.1",
        "names of headers without case",
        {
            "From": None,
            "fRoM": "{local}",
            "Call-ID": None,
            "CALL-ID": "{call_id}",
            "CSeq": None,
            "cseq": "1 OPTIONS",
            "Max-Forwards": None,
            "MAX-forwards": "70",
        },
    ),
    (
        "RFC 3261 §7.3.1",
        "spaces and tabs before the colon",
        {
            "From": None,
            "From \t ": "{local}",
            "CSeq": None,
            "CSeq\t": "1 OPTIONS",
        },
    ),
    (
        "RFC 3261 §7.3.1",
        "a folded line",
        {"From": "\r\n  {local}", "To": "<sip:bob@biloxi.com>\r\n\t"},
    ),
    (
        "RFC 3261 §7.3.1",
        "a fold between parameters",
        {
            "Via": "SIP/2.0/{WAY} {place}\r\n  ;branch=z9hG4bKf{unique}\r\n\t;rport",
        },
    ),
    ("RFC 3261 §25.1", "no space behind the colon", {"CSeq": None, "CSeq:1 OPTIONS\r\nX": "y"}),
    (
        "RFC 3261 §7.3.2",
        "headers nobody knows",
        {"X-Unknown": '"<;,', "NewFangled": "new\r\n more"},
    ),
    (
        "RFC 3261 §20",
        "empty values of lists",
        {"Supported": "", "Accept-Language": "", "Allow": ""},
    ),
    ("RFC 3261 §20.36", "an empty Subject", {"Subject": ""}),
    ("RFC 3261 §20.16", "white space in CSeq", {"CSeq": "  1 \t  OPTIONS  "}),
    ("RFC 4475 §3.1.1.1", "leading zeros in CSeq", {"CSeq": "0009 OPTIONS"}),
    ("RFC 3261 §8.1.1.5", "the largest CSeq", {"CSeq": "2147483647 OPTIONS"}),
    (
        "RFC 3261 §20.20",
        "a quoted display name",
        {
            "From": '"P. \\"Eer\\" <x>, ;y" <sip:peer@example.com>;tag=q{unique}',
        },
    ),
    (
        "RFC 3261 §20.20",
        "a display name in UTF-8",
        {
            "From": '"Pierre Émile, 王" <sip:peer@example.com>;tag=q{unique}',
        },
    ),
    (
        "RFC 3261 §25.1",
        "a display name of tokens",
        {
            "From": "P.E. van 't-Eer * <sip:peer@example.com>;tag=q{unique}",
        },
    ),
    (
        "RFC 3261 §20.20",
        "an address without brackets",
        {
            "From": "sip:peer@example.com;tag=q{unique}",
            "To": "sip:bob@biloxi.com",
        },
    ),
    (
        "RFC 3261 §20.20",
        "parameters of From nobody knows",
        {
            "From": '<sip:peer@example.com>;x;y=z;tag=q{unique};w="a;b,c"',
        },
    ),
    (
        "RFC 3261 §7.3.1",
        "names of parameters without case",
        {
            "From": "<sip:peer@example.com>;TAG=q{unique}",
            "Via": "SIP/2.0/{WAY} {place};BRANCH=z9hG4bKb{unique};RPORT",
        },
    ),
    (
        "RFC 3261 §20.42",
        "the Via protocol without case",
        {
            "Via": "sip/2.0/{way} {place};branch=z9hG4bKl{unique};rport",
        },
    ),
    ("RFC 3261 §20.8", "signs in a Call-ID", {"Call-ID": "a(b)<c>:\\\"/[]?{}~`'!%+*-._w@h(h)"}),
    (
        "RFC 3261 §20.10",
        "a Contact with quotes, commas and parameters",
        {
            "Contact": '"A, B; C" <sip:peer@{place};x=%2C>;q=0.7;expires=60',
        },
    ),
    ("RFC 4475 §3.1.2.12", "a Date that is none", {"Date": "Fri, 01 Jan 2010 16:00:00 EST"}),
    (
        "RFC 4475 §3.3.7",
        "credentials of a scheme nobody knows",
        {
            "Authorization": "NoOneKnowsThisScheme opaque-data=here",
        },
    ),
    (
        "RFC 3261 §8.2",
        "malformed headers that nobody needs",
        {
            "Alert-Info": "<<<",
            "Call-Info": ";;",
            "Retry-After": "soon",
            "Priority": '"',
            "In-Reply-To": ",",
            "Timestamp": "x",
            "MIME-Version": "one",
            "User-Agent": "(",
        },
    ),
    ("RFC 3261 §20.34", "a Route with nothing of ours", {"Route": "<sip:{party};lr>"}),
    ("RFC 3261 §20.14", "white space around Content-Length", {"Content-Length": " \t 0  "}),
    ("RFC 4475 §3.1.1.6", "a header without a value, folded", {"Subject": "\r\n "}),
    (
        "RFC 4475 §3.1.1.7",
        "long values",
        {
            "From": '"' + "long " * 60 + '" <sip:peer@example.com>;tag=q{unique}',
            "To": "<sip:bob@biloxi.com;" + "p" * 400 + "=x>",
            "X-Long": "y" * 3000,
        },
    ),
)

#: Header fields that are wrong, of OPTIONS, and what they get.
WRONG: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("RFC 3261 §8.1.1", "no From", {"From": None}),
    ("RFC 3261 §8.1.1", "no To", {"To": None}),
    ("RFC 3261 §8.1.1", "no Call-ID", {"Call-ID": None}),
    ("RFC 3261 §8.1.1", "no CSeq", {"CSeq": None}),
    ("RFC 3261 §8.1.1", "an empty From", {"From": ""}),
    ("RFC 3261 §8.1.1", "an empty Call-ID", {"Call-ID": ""}),
    ("RFC 4475 §3.3.8", "two From", {"From": ("<sip:a@b>;tag=1", "<sip:c@d>;tag=2")}),
    ("RFC 4475 §3.3.8", "two To", {"To": ("<sip:bob@biloxi.com>", "<sip:c@d>")}),
    ("RFC 4475 §3.3.8", "two Call-ID", {"Call-ID": ("{call_id}", "x{call_id}")}),
    ("RFC 4475 §3.3.8", "two CSeq", {"CSeq": ("1 OPTIONS", "2 OPTIONS")}),
    ("RFC 4475 §3.3.8", "two Max-Forwards", {"Max-Forwards": ("70", "5")}),
    ("RFC 4475 §3.3.9", "two Content-Length", {"Content-Length": ("0", "0", "5")}),
    ("RFC 3261 §8.1.1.5", "a CSeq of another method", {"CSeq": "1 INVITE"}),
    ("RFC 3261 §20.16", "a CSeq without a number", {"CSeq": "OPTIONS"}),
    ("RFC 3261 §20.16", "a CSeq without a method", {"CSeq": "1"}),
    ("RFC 4475 §3.1.2.4", "a CSeq beyond any number", {"CSeq": "36893488147419103232 OPTIONS"}),
    ("RFC 3261 §20.16", "a negative CSeq", {"CSeq": "-1 OPTIONS"}),
    ("RFC 4475 §3.1.2.6", "a quote without an end", {"To": '"Mr. Bob <sip:bob@biloxi.com>'}),
    ("RFC 3261 §20.20", "a From without a URI", {"From": "Peer;tag=1"}),
    ("RFC 3261 §20.20", "brackets that do not close", {"From": "<sip:peer@example.com;tag=1"}),
    ("RFC 4475 §3.1.2.3", "a negative Content-Length", {"Content-Length": "-999"}),
)

READ = tuple(
    Probe(clause, what, Send("OPTIONS", headers, number=1), Expect(200))
    for clause, what, headers in WRITTEN
)

REFUSED = tuple(
    # In a stream, the end of a message without a length to go by is not to be found: see streams.
    Probe(
        clause,
        what,
        Send("OPTIONS", headers),
        Expect(400),
        by=("udp",) if "Content-Length" in headers else ("udp", "tcp"),
    )
    for clause, what, headers in WRONG
)

WHOLE = (
    Probe(
        "RFC 3261 §7.5",
        "empty lines before the first line",
        Pieces((Send("OPTIONS"),), before="\r\n\r\n\r\n"),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.3",
        "a datagram ends its body where there is no Content-Length",
        Send("OPTIONS", {"Content-Length": None, "Content-Type": "text/plain"}, "x" * 20),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.3",
        "what is behind the body of a datagram is dropped",
        Send("OPTIONS", {"Content-Length": "2"}, "xy and more"),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 3261 §18.3",
        "a datagram that is shorter than its body",
        Send("OPTIONS", {"Content-Length": "200"}, "x"),
        Expect(400),
        by="udp",
    ),
    Probe(
        "RFC 3261 §7.4",
        "a body of any bytes",
        Send("OPTIONS", {"Content-Type": "application/octet-stream"}, "\0\x01\r\n\r\n\x7f€"),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.15",
        "a body without a type, where no body is read",
        Send("OPTIONS", {"Content-Type": None}, "x"),
        Expect((200, 400, 415)),
    ),
    Probe(
        "RFC 3261 §8.1.1.8",
        "a call without a Contact",
        Send("INVITE", {"Contact": None}),
        Expect(400),
        Ack(),
    ),
    Probe(
        "RFC 3261 §8.1.1.8",
        "a call with two Contacts",
        Send("INVITE", {"Contact": ("<sip:a@127.0.0.1:9>", "<sip:b@127.0.0.1:9>")}),
        Expect((400, 200)),
        Ack(),
    ),
    Probe(
        "RFC 3261 §12.1.1",
        "a call with a Contact that is no SIP URI",
        Send("INVITE", {"Contact": "<mailto:peer@example.com>"}),
        Expect(400),
        Ack(),
    ),
    Probe(
        "RFC 3261 §12.1.1",
        "a call with a Contact of a star",
        Send("INVITE", {"Contact": "*"}),
        Expect(400),
        Ack(),
    ),
    Probe(
        "RFC 3261 §12.1.1",
        "a call with a Record-Route that is no URI",
        Send("INVITE", {"Record-Route": "<nonsense>"}),
        Expect(400),
        Ack(),
    ),
    Probe(
        "RFC 3261 §18.3", "nothing but an empty line has no answer", Raw("\r\n"), Quiet(), by="udp"
    ),
    Probe(
        "RFC 3261 §18.1.2",
        "half a response has no answer",
        Raw("SIP/2.0 200 OK\r\n\r\n"),
        Quiet(),
        by="udp",
    ),
    Probe(
        "RFC 3261 §7.2",
        "a response with a status of four digits",
        Raw("SIP/2.0 2000 OK\r\nVia: SIP/2.0/UDP {place};branch=z9hG4bKx\r\n\r\n"),
        Quiet(),
        by="udp",
    ),
    Probe(
        "RFC 3261 §7.1",
        "a request without a version",
        Raw("OPTIONS sip:bob@biloxi.com\r\n\r\n"),
        Quiet(),
        by="udp",
    ),
    Probe(
        "RFC 3261 §8.2.6",
        "an INVITE in compact forms",
        Send(
            "INVITE",
            {
                "Via": None,
                "v": "SIP/2.0/{WAY} {place};branch=z9hG4bKc{unique};rport",
                "f": "{local}",
                "From": None,
                "t": "{remote}",
                "To": None,
                "i": "{call_id}",
                "Call-ID": None,
                "m": "{contact}",
                "Contact": None,
                "l": "0",
                "Content-Length": None,
            },
        ),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    # A1
    Probe("RFC 3261 §20.42", "an empty Via", Send("OPTIONS", {"Via": ""}), Quiet(), by="udp"),
    # A12
    Probe(
        "RFC 4475 §3.1.2.13",
        "a Contact with headers and no brackets is refused, or understood",
        Send("OPTIONS", {"Contact": "sip:user@example.com?Route=%3Csip:sip.example.com%3E"}),
        Expect((200, 400)),
    ),
    Probe(
        "RFC 3261 §7",
        "lines that end in LF alone",
        Send("OPTIONS", edit=(lambda data: data.replace(b"\r\n", b"\n"),)),
        Expect(200),
        by="udp",
    ),
    Probe(
        "RFC 4475 §3.1.2.9",
        "two spaces in the first line",
        Send(
            "OPTIONS",
            edit=(("OPTIONS sip:", "OPTIONS  sip:"), (" SIP/2.0\r\nVia", "  SIP/2.0\r\nVia")),
        ),
        Expect(200),
    ),
    Probe(
        "RFC 4475 §3.1.2.10",
        "spaces at the end of the first line",
        Send("OPTIONS", edit=((" SIP/2.0\r\nVia", " SIP/2.0  \r\nVia"),)),
        Expect(200),
    ),
    Probe(
        "RFC 4475 §3.1.2.14",
        "white space in angle brackets",
        Send("OPTIONS", {"From": "< sip:peer@example.com >;tag={unique}"}),
        Expect(200),
    ),
    Probe(
        "RFC 3261 §20.10",
        "a Contact with a trailing semicolon",
        Send("INVITE", {"Contact": "{contact};"}),
        Expect(200),
        Ack(),
        Within("BYE"),
        Expect(200),
    ),
    Probe("RFC 3261 §20.42", "a Via of a comma", Send("OPTIONS", {"Via": ","}), Quiet(), by="udp"),
    Probe(
        "RFC 3261 §25.1",
        "a From of two addresses",
        Send("OPTIONS", {"From": "<sip:a@b>;tag=1, <sip:c@d>;tag=2"}),
        Expect(400),
    ),
)


@cases(READ, REFUSED, WHOLE)
def test_messages(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
