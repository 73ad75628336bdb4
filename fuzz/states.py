"""The probe of the bodies of event packages: each is read by every package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fuzz.laws import attempt, law
from sipparty.sip.notification.package import PACKAGES, find_package

__all__ = ["WORDS", "probe", "read", "seeds"]

WORDS = tuple(
    b'<?xml version="1.0"?>|<!DOCTYPE a [|<!ENTITY a "b">|]>|&a;|&#0;|<![CDATA[|]]>|xmlns=|<x>|</x>'
    b'|id="1"|version="4294967295"|state="partial"|state="deleted"|entity="sip:a@b"|<user |<dialog '
    b"|<contact |<tuple |<status>|<basic>open</basic>|Messages-Waiting: yes"
    b"|Voice-Message: 2/8 (0/2)|None: 0/0|\r\n\r\n|encoding='utf-16'".split(b"|")
)

_PACKAGES = tuple(find_package(name) for name in PACKAGES)
_SUMMARY = b"""Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r
Voice-Message: 2/8 (0/2)\r\n\r\nTo: <sip:alice@example.com>\r\nSubject: lunch\r\n"""
_BODIES = Path(__file__).parents[1] / "tests" / "unit" / "sip" / "packages" / "bodies"


@cache
def seeds() -> tuple[bytes, ...]:
    """The bodies that the RFCs show."""
    return (_SUMMARY, *(path.read_bytes() for path in sorted(_BODIES.glob("*.xml"))))


def probe(data: bytes) -> bool:
    """Read an input by each package, and say whether one has."""
    known = False
    for package in _PACKAGES:
        state = attempt(package.parse, data, package.accepts[0])
        if state is None:
            continue
        known = True
        repr(state)
        whole = package.merge(None, state)
        if whole is not None:
            repr(package.merge(whole, state))
        body = attempt(package.build, state)
        law(body is not None, "what was read can be written")
        law(package.parse(body, package.accepts[0]) == state, "a state is read again as it was")
    return known


def read(data: bytes) -> None:
    """Read an input as a subscription does."""
    for package in _PACKAGES:
        attempt(package.parse, data, package.accepts[0])
