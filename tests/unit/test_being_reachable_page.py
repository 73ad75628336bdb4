"""The page on being reachable says what the code does."""

import configparser
import inspect
import logging
import re
from pathlib import Path

import pytest

from sipparty.media import RTPSession
from sipparty.sip import Flow
from sipparty.sip.attacks import AttackMonitor
from sipparty.sip.auth import DigestServer
from sipparty.sip.policy import Policy

PAGE = (Path(__file__).parents[2] / "docs" / "topics" / "being-reachable.md").read_text()

ROWS = dict(re.findall(r"^\| `Policy\.(\w+)` \| (\S+) \|", PAGE, re.M))


def test_every_setting_of_a_policy_is_on_the_page():
    assert set(ROWS) == set(Policy.__match_args__)


@pytest.mark.parametrize("name", ROWS)
def test_a_default_is_what_the_page_says(name):
    value = getattr(Policy(), name)
    stated = ROWS[name].strip("`")
    assert stated == (
        value.__name__ if callable(value) else f"{value:g}" if _is_number(value) else str(value)
    )


ELSEWHERE = re.findall(
    r"^\| `(\w+)\((?:media=\{\")?(\w+)(?:\": |=)\.\.\.\}?\)` \| (.*?) \|", PAGE, re.M
)


@pytest.mark.parametrize(
    ("kind", "page", "names"),
    [
        (
            DigestServer,
            "DigestServer",
            {"guesses", "guess_interval", "without_qop", "uris", "algorithms", "lifetime"},
        ),
        (RTPSession, "Party", {"symmetric", "latch_within"}),
    ],
)
def test_defaults_elsewhere_are_what_the_page_says(kind, page, names):
    stated = {name: text for one, name, text in ELSEWHERE if one == page and name != "credentials"}
    assert set(stated) == names
    for name, text in stated.items():
        value = inspect.signature(kind).parameters[name].default
        if isinstance(value, tuple) and value:
            value = ", ".join(value)
        assert text == (f"{value:g}" if _is_number(value) else str(value)), name


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize("kind", AttackMonitor.THRESHOLDS)
def test_a_kind_of_attack_is_on_the_page(kind):
    threshold = {1: "first"}.get(
        AttackMonitor.THRESHOLDS[kind], f"{AttackMonitor.THRESHOLDS[kind]}th"
    )
    assert re.search(rf"`{kind}`: [^.|]* from the {threshold}", PAGE), kind


def blocks(title):
    """The ini file that follows a line which names it."""
    text = re.search(rf"{re.escape(title)}`:\n\n```ini\n(.*?)```", PAGE, re.S)[1]
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


@pytest.fixture
def said(caplog):
    """The lines that the log file of the page has of one attack."""

    def say(source, proven):
        caplog.clear()
        monitor = AttackMonitor({}, lambda event: None)
        with caplog.at_level(logging.WARNING, "sipparty.security"):
            monitor.note("relay", Flow("UDP", ("10.0.0.1", 5060), (source, 9)), 0.0, proven=proven)
        shape = re.search(r'logging\.Formatter\("(.*?)"\)', PAGE)[1]
        return [logging.Formatter(shape).format(record) for record in caplog.records]

    return say


#: What fail2ban makes of the letters of a datepattern.
DATE = {"Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}"}
DATE["f"] = r"\d{1,6}"


def without_time(line):
    """A line as fail2ban searches it: what the datepattern of the page matches is cut out."""
    pattern = blocks("filter.d/sipparty.conf")["Definition"]["datepattern"].replace("%%", "%")
    time = re.search(re.sub("%([A-Za-z])", lambda letter: DATE[letter[1]], pattern), line)
    return line[: time.start()] + line[time.end() :]


def test_the_filter_finds_proven_attackers_and_no_others(said):
    pattern = blocks("filter.d/sipparty.conf")["Definition"]["failregex"]
    # What fail2ban puts in the place of the tag: an address, and no name.
    found = re.compile(pattern.replace("<ADDR>", r"(?P<addr>[0-9]+(?:\.[0-9]+){3}|[0-9a-f:]+)"))
    for source in ("192.0.2.7", "2001:db8::7"):
        (line,) = said(source, True)
        assert found.search(without_time(line))["addr"] == source
        (line,) = said(source, False)
        assert found.search(without_time(line)) is None


def test_the_jail_uses_the_filter():
    jail = blocks("jail.d/sipparty.conf")["sipparty"]
    assert jail["filter"] == "sipparty"
    assert jail["maxretry"] == "1"


def test_the_line_on_the_page_is_what_is_logged(said):
    line = re.search(r"^    (attack kind=.*)$", PAGE, re.M)[1]
    (real,) = said("192.0.2.7", True)
    names = re.compile(r"(\w+)=")
    assert names.findall(line) == names.findall(real)
