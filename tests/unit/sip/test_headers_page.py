"""The page of headers says what the table says."""

import re
from pathlib import Path

import pytest

from sipparty.sip import HEADERS, Many, register_header
from sipparty.sip.headers import SPELLINGS

PAGE = Path(__file__).parents[3] / "docs" / "topics" / "headers.md"

#: How the page names what a row's `parse` makes, where that is no class.
PLAIN = {str: "`str`"}

MANY = {Many.ONE: "one", Many.LIST: "list", Many.TOKENS: "tuple", Many.LINES: "line by line"}


def kind(row):
    """What a row's `parse` makes, as the page has it."""
    owner = getattr(row.parse, "__self__", None)
    if isinstance(owner, type):
        return f"`{owner.__name__}`"
    if row.parse is str:
        return "text"
    name = row.parse.__name__  # that of the class, where it is loaded late
    return {"_token": "token", "parse": "`int`"}.get(name, f"`{name}`")


def lines():
    """The table as it ought to be, a line for each header, by name."""
    rows = sorted(HEADERS.values(), key=lambda row: row.name.lower())
    return [
        f"| {row.name} | {row.compact} | {kind(row)} | {MANY[row.many]} | {row.rfc} |"
        for row in rows
        if row.rfc
    ]


def test_the_page_is_the_table():
    found = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [A-Z]\S* \|", line)]
    assert found[1:] == lines(), "The table ought to be:\n" + "\n".join(lines())


def test_every_row_says_where_it_comes_from():
    for row in HEADERS.values():
        if row.rfc:
            assert re.fullmatch(r"RFC \d{4}(?: §[\d.]+)?", row.rfc), row


def test_compact_forms_are_the_registered_ones():
    forms = {row.compact: row.name for row in HEADERS.values() if row.compact}
    assert forms == {
        "a": "Accept-Contact",
        "b": "Referred-By",
        "c": "Content-Type",
        "d": "Request-Disposition",
        "e": "Content-Encoding",
        "f": "From",
        "i": "Call-ID",
        "j": "Reject-Contact",
        "k": "Supported",
        "l": "Content-Length",
        "m": "Contact",
        "o": "Event",
        "r": "Refer-To",
        "s": "Subject",
        "t": "To",
        "u": "Allow-Events",
        "v": "Via",
        "x": "Session-Expires",
        "y": "Identity",
    }


@pytest.fixture
def forgotten():
    """Forget what a test teaches."""
    headers, spellings = dict(HEADERS), dict(SPELLINGS)
    yield
    for table, before in ((HEADERS, headers), (SPELLINGS, spellings)):
        table.clear()
        table.update(before)


def test_a_header_of_ones_own_has_no_place_in_the_page(forgotten):
    before = lines()
    register_header("X-Mood", str)
    assert lines() == before
