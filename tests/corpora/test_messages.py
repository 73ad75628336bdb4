"""Messages that nobody in this project wrote: out of the RFCs, and the seeds of other fuzzers.

The folder is named by SIPPARTY_CORPORA; without it, `../shared/corpora` beside the checkout is
tried. Where there is none the tests skip, saying so. What a party answers to the torture messages
is in `test_torture.py`.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from sipparty.errors import ParseError
from sipparty.sip import Message, Request, Response

CHECKOUT = Path(__file__).resolve().parents[2]
CORPORA = (CHECKOUT / os.environ.get("SIPPARTY_CORPORA", "../shared/corpora")).resolve()

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason=f"no corpora at {CORPORA}: set SIPPARTY_CORPORA"
)

#: What of a message that is read is not what it should be: a header, or an attribute of it.
Odd = dict[str, set[str]]

#: Slips and placeholders of the documents.
ODD: Odd = {
    "3261/015_INVITE.sip": {"From.uri", "To.uri"},  # no scheme
    "3327/001_REGISTER.sip": {"Supported"},  # ". . ."
    **{f"3327/{at:03}_REGISTER.sip": {"Path"} for at in (2, 3, 4)},
    **{f"3327/{at:03}_R200.sip": {"Path"} for at in (5, 6, 7, 8)},
    "3515/001_REFER.sip": {"Refer-To"},  # "(whatever URI)"
    "3515/007_REFER.sip": {"Refer-To"},
    **{f"3608/{at:03}_REGISTER.sip": {"Contact"} for at in (1, 2, 3)},
    **{f"3608/{at:03}_R200.sip": {"Service-Route"} for at in (4, 5, 6)},
    **{f"3608/{at:03}_INVITE.sip": {"Route"} for at in (7, 8, 9)},
    "3608/010_INVITE.sip": {"Record-Route"},
    "3665/003_REGISTER.sip": {"Authorization"},  # a comma is missing
    "3665/005_REGISTER.sip": {"Authorization"},  # qop without nc
    "5626/002_SUBSCRIBE.sip": {"From.uri"},  # no scheme
    "5626/003_NOTIFY.sip": {"To.uri"},
}
#: Those that are no message, with what is wrong.
REFUSED = {
    "3842/004_R200.sip": "a number of bytes",  # prose is cut out with it
}
#: What is wrong with those of RFC 4475 that are read, by what the document says of them.
ODD_4475: Odd = {
    "baddate.dat": {"Date"},
    "badinv01.dat": {"Via"},
    "quotbal.dat": {"To"},
    "scalar02.dat": {"CSeq", "Max-Forwards", "Expires"},
    "scalarlg.dat": {"CSeq", "Retry-After", "Warning"},
}

#: Those of RFC 4475 that are no message, with what is wrong.
REFUSED_4475 = {
    "baddn.dat": "an empty line",  # the file ends with its last header
    "bigcode.dat": "a status code from 100 to 699",
    "clerr.dat": "at most the",
    "lwsruri.dat": "a method, a URI and SIP/2.0",
    "ncl.dat": "a number of bytes",
}
#: White space in a start line that is one space when it is written.
GAPS = re.compile(rb"\A(\S+)[ \t]+(\S+)[ \t]+([^\r\n]*\S)[ \t]*(?=\r\n)")
#: Those that end before or after their Content-Length says, and how much is dropped.
LONGER = {"dblreq.dat", "mcl01.dat"}


def rows(folder: str) -> list[dict[str, str]]:
    index = CORPORA / folder
    if not index.is_file():
        return []
    with index.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def published() -> list[pytest.param]:
    return [
        pytest.param(row, id=f"{row['rfc']}/{row['file']}")
        for row in rows("rfc-messages/index.csv")
        if row["has_ellipsis"] == "False"
    ]


def read_5118(file: str) -> bytes:
    """One of RFC 5118, which are kept with bare LF and without the empty line at the end."""
    data = (CORPORA / "rfc5118" / file).read_bytes().replace(b"\r\n", b"\n")
    if b"\n\n" not in data:
        data = data.rstrip(b"\n") + b"\n\n"
    head, _, body = data.partition(b"\n\n")
    return head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body.replace(b"\n", b"\r\n")


def look(message: Request | Response) -> set[str]:
    """Look at all that there is, and return the names of the headers that cannot be read."""
    bad = set()
    for name in message:
        try:
            values = message.all(name)
        except ParseError:
            bad.add(name)
            continue
        for value in values:
            str(value)
            for attribute in ("uri", "parameters"):
                try:
                    getattr(value, attribute, None)
                except ParseError:
                    bad.add(f"{name}.{attribute}")
    return bad


def with_true_length(data: bytes) -> bytes:
    """The message with the body it has: most bodies are not printed in the documents."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [
        b"Content-Length: %d" % len(body)
        if line.lower().startswith((b"content-length", b"l:"))
        else line
        for line in head.split(b"\r\n")
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_the_corpora_are_there():
    assert len(published()) > 300
    assert len(rows("rfc4475.expected.csv")) == 50
    assert len(rows("rfc5118.expected.csv")) == 12


@pytest.mark.parametrize("row", published())
def test_each_published_message_is_read_and_written_back(row):
    name = f"{row['rfc']}/{row['file']}"
    data = with_true_length((CORPORA / "rfc-messages" / f"rfc{name}").read_bytes())
    if name in REFUSED:
        with pytest.raises(ParseError) as refusal:
            Message.parse(data)
        assert refusal.value.expected.startswith(REFUSED[name])
        return
    message = Message.parse(data)
    data = GAPS.sub(rb"\1 \2 \3", data)
    assert bytes(message) == data
    start = row["start_line"].split()
    if isinstance(message, Request):
        assert [message.method, message.uri_text, message.version] == start
        assert str(message.uri) == message.uri_text
    else:
        assert [message.version, str(message.status)] == start[:2]
    assert look(message) == ODD.get(name, set())
    assert bytes(message) == data


def test_torture_messages_that_are_refused():
    for file, expected in REFUSED_4475.items():
        with pytest.raises(ParseError) as refusal:
            Message.parse((CORPORA / "rfc4475" / file).read_bytes())
        assert refusal.value.expected.startswith(expected), file


@pytest.mark.parametrize(
    "file",
    [
        row["file"]
        for row in rows("rfc4475.expected.csv")
        if row["file"] not in REFUSED_4475 and row["group"]
    ],
)
def test_torture_messages_that_are_read(file):
    data = (CORPORA / "rfc4475" / file).read_bytes()
    message = Message.parse(data)
    data = data if file in {"unreason.dat", "noreason.dat"} else GAPS.sub(rb"\1 \2 \3", data)
    if file in LONGER:
        assert data.startswith(bytes(message))
        assert len(bytes(message)) < len(data)
        data = bytes(message)
    assert bytes(message) == data
    assert look(message) == ODD_4475.get(file, set())
    assert bytes(message) == data


@pytest.mark.parametrize("file", [row["file"] for row in rows("rfc5118.expected.csv")])
def test_messages_with_ipv6_addresses(file):
    data = with_true_length(read_5118(file))
    message = Message.parse(data)
    assert bytes(message) == data
    assert look(message) == set()
    assert bytes(message) == data


def seeds() -> list[Path]:
    return sorted(path for path in (CORPORA / "fuzz").rglob("*.sip") if path.is_file())


def test_the_seeds_are_there():
    assert len(seeds()) > 10


@pytest.mark.parametrize("path", seeds(), ids=lambda path: path.name)
def test_seeds_for_fuzzing_raise_nothing_but_parse_errors(path):
    data = path.read_bytes()
    for cut in range(0, len(data), 7):
        for piece in (data[: cut + 1], data[:cut] + data[cut + 1 :]):
            try:
                message = Message.parse(piece)
            except ParseError:
                continue
            before = bytes(message)
            look(message)
            assert bytes(message) == before
