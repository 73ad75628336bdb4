"""What the values of headers and of lines of descriptions are said to mean."""

import pytest

from sipparty.explain import explain, explain_description

CHALLENGE = 'WWW-Authenticate: Digest realm="a", nonce="n"'


@pytest.mark.parametrize(
    ("header", "details"),
    [
        ("Expires: 0", ("at once: ends what there is, or asks for the state of now",)),
        ("Min-Expires: 3661", ("1 h 1 min 1 s",)),
        ("Session-Expires: 1800;refresher=uac", ("30 min",)),
        ("Expires: soon", ()),
        (CHALLENGE, ("Digest", "realm a", "algorithm MD5, as none is named")),
        (
            f"{CHALLENGE}, algorithm=SHA-256, stale=TRUE",
            (
                *("Digest", "realm a", "algorithm SHA-256"),
                "stale: the password was right, the nonce is too old",
            ),
        ),
        (
            'Authorization: Digest username="b", realm="a", nonce="n", uri="sip:a", response="r"',
            ("Digest", "user b", "realm a", "algorithm MD5, as none is named"),
        ),
        ("Route: <sip:p.example;lr>", ("address: sip:p.example;lr", "loose")),
        (
            "Record-Route: <sip:p>",
            ("address: sip:p", "strict: without lr, as RFC 2543 had it"),
        ),
        ("Contact: *", ("all contacts of the address, to be removed (RFC 3261 §10.2.2)",)),
        ("m: <sip:a@b>;q=0.5", ("address: sip:a@b", "preference 0.5 (1 is the most)")),
        ("Refer-To:\r\n <sip:c@d>", ("address: sip:c@d",)),
        (
            "v: SIP/2.0/UDP 10.0.0.1;branch=1;received=10.0.0.9;rport=7",
            (
                "sent by UDP from 10.0.0.1",
                "came from the address 10.0.0.9, as the receiver saw",
                "came from port 7 (RFC 3581)",
                "the branch is of RFC 2543, and so does not name the transaction by itself",
            ),
        ),
    ],
)
def test_of_headers(header, details):
    explanation = explain(f"OPTIONS sip:a SIP/2.0\r\n{header}\r\n\r\n".encode())
    assert explanation.lines[1].details == details


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("b=AS:64", ("64 kilobits a second, headers included",)),
        ("b=X-Y:64", ()),
        ("c=IN IP6 ::1", ("received at ::1 (IP6)",)),
        (
            "c=IN IP4 0.0.0.0",
            ("received at 0.0.0.0 (IP4)", "an old way to put a call on hold (RFC 3264 §8.4)"),
        ),
        ("t=0 0", ("without a beginning or an end",)),
        ("t=1 2", ()),
        (
            "m=audio 0 RTP/SAVP 9 200 1000",
            ("audio, refused or ended: port 0", "SRTP (RFC 3711)", "formats: 9 G722, 200, 1000"),
        ),
        ("m=audio", ()),
        ("a=rtpmap:96 opus/48000/2", ("96 is opus at 48000 Hz, 2 channels",)),
        ("a=rtpmap:96", ()),
    ],
)
def test_of_descriptions(text, details):
    lines = explain_description(f"v=0\r\n{text}\r\n".encode()).lines
    assert [(one.number, one.details) for one in lines if one.text == text] == [(2, details)]


def test_a_body_of_another_kind_is_measured():
    explanation = explain(b"FOO sip:a SIP/2.0\r\nX-Own: 1\r\n\r\nhello")
    assert explanation.lines[0].details == ("FOO is not a method of an RFC known here",)
    body = next(one for one in explanation.lines if one.meaning == "The body.")
    assert (body.number, body.text) == (4, "(5 bytes of body)")
