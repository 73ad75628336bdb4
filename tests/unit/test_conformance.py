"""The conformance page tells the truth: what it calls missing is missing, what is there is not.

Each row of `CLAIMS` ties words of the page to the code. Whoever adds the feature is told by this
test to change the page, and then the row.
"""

import re
from pathlib import Path

import pytest

from sipparty.media import codec_types
from sipparty.party import Party
from sipparty.sip import Message, SimpleCall
from sipparty.sip.agent import SUPPORTED

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "topics" / "conformance.md"
#: The tables by document; those by section have a test of their own.
TEXT = PAGE.read_text().partition("## What a user agent does, section by section")[0]
SOURCE = ROOT / "src" / "sipparty"


#: The document or section as the page has it: (words of its last column, whether the code has it).
CLAIMS = {
    "§7.4, §20.11 Bodies": ("multipart", hasattr(Message, "find_part")),
    "§10 Registration": ("REGISTER as a client", hasattr(Party, "register")),
    "§19.2 Option tags": ("no tag is supported", bool(SUPPORTED)),
    "RFC 3262 (100rel, PRACK)": ("all of it", "PRACK" in SimpleCall.methods),
    "RFC 3311 (UPDATE)": ("all of it", "UPDATE" in SimpleCall.methods),
    "RFC 3515, 3892, 5589 (transfer)": ("REFER", hasattr(SimpleCall, "transfer")),
    "RFC 4028 (session timers)": ("all of it", "timer" in SUPPORTED),
    "RFC 3551 (audio profile)": (
        "the other codecs",
        {codec.name for codec in codec_types()} > {"PCMU", "PCMA", "G722", "opus", "L16"},
    ),
    "RFC 4733 (DTMF)": (
        "redundancy by RFC 2198",
        "red" in {codec.name.lower() for codec in codec_types()},
    ),
}


def rows():
    """First and last column of every row of the page."""
    found = {}
    for line in TEXT.splitlines():
        if line.startswith("|"):
            name, _, missing = re.split(r"\s*\|\s*", line)[1:-1]
            found[name] = missing
    return found


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_called_missing_is(name):
    words, there = CLAIMS[name]
    assert name in rows()
    assert (words in rows()[name]) is not there, f"{PAGE.name} is not up to date on {name}."


def test_every_row_has_three_columns():
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {4}
    assert len(rows()) > 60
