"""One grammar: what validation passes, every attribute of the message reads, and what any property
refuses, `findings` lists with its header's name. So it is for every message of the corpora, for
mutants of them, and for generated ones, in the message layer and in a core that takes them.

The laws are those of `fuzz/grammar.py`, which `make fuzz` holds to a million mutants.
"""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipparty.errors import ParseError
from sipparty.sip import URI, DNameURI, Message
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.validation import first_fault
from sipparty.testing import strategies

ROOT = Path(__file__).parents[2]


def load(name):
    """A module of the folder `fuzz`, which is beside the package and not in it."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"fuzz.{name}")
    finally:
        sys.path.remove(str(ROOT))


grammar, mutation, seeds, words = load("grammar"), load("mutation"), load("seeds"), load("words")

# The same examples each time, and none judged by the clock.
steady = settings(
    deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)

#: Mutants of each kind.
MUTANTS = 1500


def mutants(starts, seed, count=MUTANTS):
    mutator = mutation.Mutator(random.Random(seed), starts, words.SIP_WORDS, 4096)
    return (mutator.make() for _ in range(count))


def test_the_seeds_and_the_corpora():
    read = [grammar.probe_message(data) for data in seeds.messages()]
    assert {True, False} <= {*read, False}
    assert sum(read) > 50


def test_mutants_of_messages():
    assert sum(map(grammar.probe_message, mutants(seeds.messages(), "messages"))) > MUTANTS // 4


def test_mutants_of_addresses():
    assert sum(map(grammar.probe_address, mutants(grammar.ODD, "addresses"))) > MUTANTS // 10


NAMES = ("from", "to", "contact", "route", "record-route", "f", "t", "m", "refer-to")


def test_addresses_of_the_corpora():
    lines = [line.partition(b":")[2].strip() for line in seeds.header_lines(*NAMES)]
    texts = [line.decode("utf-8", "surrogateescape") for line in (*lines, *grammar.ODD)]
    assert sum(map(grammar.agree_address, texts)) > 15


@pytest.mark.parametrize(
    "text",
    [
        *(
            "<sip:a>;tag;tag=x",
            "<sip:a>; tag=1;tag=2",
            "<sip:a>;TAG=1;tag=2",
            "<sip:a>;x=tag;tag=1",
        ),
        *("<sip:a>;x=b>;tag=1", "<sip:a>;tag=1;x=>", '"a>b" <sip:x>;tag=1', "<sip:a>;x=;tag=1"),
        *(
            '"a;tag=2" <sip:x;tag=3>;tag=1',
            'sip:a;tag="1;2"',
            '<sip:a>;x="\\"";tag=1',
            "<sip:a>;tag=",
        ),
    ],
)
def test_the_tag_is_the_first_one_of_the_header(text):
    """`;tag` and `; tag=1` come first, though a look for `;tag=` finds what is behind them."""
    assert grammar.agree_address(text)


def test_mutants_of_uris():
    texts = [data.decode("utf-8", "surrogateescape") for data in mutants(seeds.uris(), "uris")]
    assert sum(map(grammar.agree, texts)) > MUTANTS // 5


@steady
@given(strategies.messages() | strategies.mutated(strategies.messages()))
def test_generated_messages(data):
    grammar.probe_message(data)


@steady
@given(strategies.uris() | st.text(st.characters(codec="ascii"), max_size=20).map("sip:".__add__))
def test_generated_uris(text):
    grammar.agree(text)


INVITE = (
    "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{}"
    "Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)
RIGHT = {
    "From": "<sip:a@a.com>;tag=1",
    "To": "<sip:bob@biloxi.com>",
    "Contact": "<sip:a@h>",
    "Max-Forwards": "70",
}


def invite(**changes):
    lines = {**RIGHT, **{name.replace("_", "-"): value for name, value in changes.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return INVITE.format(head).encode()


@pytest.mark.parametrize("header", ["From", "To", "Contact", "Record-Route"])
@pytest.mark.parametrize(
    "uri",
    [
        *("sip:a%zz@x", "sip:a@-x", "sip:a@x?b", "sip:a@1.2.3.999", "sip:a\x1b[2J@x", "sip:a\0@x"),
        *("sip:a@10.23184", "nonsense", "sip:", "sip:a@x..y", "sip:@x", "sip:a@b@c", "sip:a@x;=1"),
    ],
)
def test_what_a_property_would_refuse_is_refused_when_it_comes(header, uri):
    """Validation passed these, and `dialog.remote.uri` raised for whoever was called."""
    data = invite(**{header.replace("-", "_"): f"<{uri}>;tag=1"})
    message = Message.parse(data)
    assert not message.facts.plain
    fault = first_fault(message)
    assert (fault.status, fault.header) == (400, header)
    assert fault.what.startswith(f"Malformed {header}: expected ")
    with pytest.raises(ParseError):
        split_sip_uri(uri)
    with pytest.raises(ParseError):
        URI.parse(uri)
    with pytest.raises(ParseError):
        _ = DNameURI.parse(f"<{uri}>").uri
    grammar.probe_message(data)


@pytest.mark.parametrize(
    "uri",
    [
        *("sip:a_b@c_d.example", "sip:a@my_pbx", "sip:a#1@x", "sip:ü@x", "sip:a@x;;lr"),
        *("sip:a@1a.2b", "sip:a@x.", "sip:%61@x", "sip:a:b@x:05060", "sip:a@[::1]"),
        *("sip:a;b?c@x", "tel:+1-2"),
    ],
)
def test_what_real_peers_write_is_read(uri):
    message = Message.parse(invite(From=f"<{uri}>;tag=1"))
    assert first_fault(message) is None
    assert str(message.from_.uri) == uri
    grammar.probe_message(bytes(message))
