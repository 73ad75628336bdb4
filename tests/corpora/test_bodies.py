"""Bodies of several parts that nobody in this project wrote.

The folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is
tried. Where there is none the tests skip, saying so.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message, Multipart, Request, Response
from sipparty.sip.bodies import is_understood, session_description

CHECKOUT = Path(__file__).resolve().parents[2]
CORPORA = (CHECKOUT / os.environ.get("SIPPARTY_CORPORA", "../shared/corpora")).resolve()

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason=f"no corpora at {CORPORA}: set SIPPARTY_CORPORA"
)

SEEDS = "fuzz/fuzz-sip/fuzz-sip_seed_corpus/multipart"


def read(file: str) -> Request | Response:
    """A message with the body it has: most lengths are not true, some line ends are bare."""
    data = (CORPORA / file).read_bytes()
    if b"\r\n" not in data:
        data = data.replace(b"\n", b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return Message.parse(b"\r\n".join([*lines, b"", body]))


def test_the_multipart_message_of_the_torture_tests():
    # RFC 4475 §3.1.1.11: a binary part with CR, LF and NUL in it.
    data = (CORPORA / "rfc4475/mpart01.dat").read_bytes()
    message = Message.parse(data)
    text, signature = message.parts
    assert (text.media_type, text.body, text.content) == ("text/plain", b"Hello", b"Hello")
    assert signature.media_type == "application/octet-stream"
    assert len(signature.body) == 342
    assert signature.body[:3] == b"\x30\x82\x01"
    assert b"\0" in signature.body
    assert b"\n" in signature.body
    assert message.find_part("application/octet-stream") == signature
    body = Multipart.of(message)
    assert bytes(body) == message.body
    assert bytes(message) == data
    # Changed elsewhere, and set anew, what was signed is still what was signed.
    body.parts[0]["Content-Language"] = "en"
    message.body = body
    assert Message.parse(bytes(message)).parts[1].body == signature.body


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        (f"{SEEDS}_basic.sip", ["application/sdp", "text/plain"]),
        (f"{SEEDS}_alternative.sip", ["text/plain", "text/html"]),
    ],
)
def test_the_seeds_of_other_fuzzers(file, kinds):
    message = read(file)
    assert [part.media_type for part in message.parts] == kinds
    assert bytes(Multipart.of(message)) == message.body


def test_an_invite_of_theirs_with_a_description_and_words():
    invite = read(f"{SEEDS}_basic.sip")
    assert not is_understood(invite, ("application/sdp",))
    assert is_understood(invite, ("application/sdp", "text/plain"))
    assert session_description(invite).startswith(b"v=0\r\no=alice ")


@pytest.mark.parametrize("number", [14, 16])
def test_what_a_document_cuts_off_is_refused(number):
    # RFC 3261 §23.4.3, printed in pieces: the end is not there.
    message = read(f"rfc-messages/rfc3261/{number:03}_INVITE.sip")
    assert message.media_type == "multipart/signed"
    with pytest.raises(ParseError) as refusal:
        _ = message.parts
    assert refusal.value.expected == "a line '--boundary42--' at the end"
