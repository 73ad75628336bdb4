"""Bindings: what a registrar says in its 2xx of who is registered where, and for how long (RFC 3261
§10.2.4, RFC 5626 §6, RFC 5627 §4.2).
"""

from __future__ import annotations

from collections.abc import Iterable

from sipparty.errors import ParseError
from sipparty.records import Record
from sipparty.sip.grammar import split_list
from sipparty.sip.message import Message, Response
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI

__all__ = ["Binding", "bindings_of", "lifetime", "read_number", "values_of"]

#: Bindings, and values of other headers, that are read of one response: a registrar may list
#: whatever it likes.
_MOST = 64

#: What a lifetime counts as that cannot be read (RFC 3261 §10.2), in seconds.
_MALFORMED = 3600.0


class Binding(Record):
    """One address that somebody is registered at.

    Args:
        uri: The address.
        expires: For how many seconds it stands, from the response on; None where that is not said.
        q: Its preference, 0.0 to 1.0; None where it has none.
        instance: The instance ID, such as "urn:uuid:...", of the user agent there; None for none.
        reg_id: Which of its flows it is (RFC 5626 §4.2.1); None for none.
        public_gruu: Its public GRUU (RFC 5627); None for none.
        temporary_gruu: The latest of its temporary ones; None for none.
        value: The Contact value, with all its parameters.
    """

    uri: str
    expires: float | None
    q: float | None
    instance: str | None
    reg_id: int | None
    public_gruu: str | None
    temporary_gruu: str | None
    value: DNameURI

    @classmethod
    def of(cls, value: DNameURI) -> Binding:
        """Read a Contact value of a 2xx to REGISTER."""
        parameter = value.parameter
        expires = parameter("expires")
        seconds = None if expires is None else _seconds(expires)
        instance, reg_id = parameter("+sip.instance"), parameter("reg-id")
        return cls(
            value.uri_text,
            seconds,
            _preference(parameter("q")),
            instance.strip("<> ") if instance else None,
            read_number(reg_id, 10),
            _gruu(parameter("pub-gruu")),
            _gruu(parameter("temp-gruu")),
            value,
        )

    def is_at(self, contact: DNameURI) -> bool:
        """Whether it is that of a Contact value that was registered: by instance ID and reg-id
        where both have them (RFC 5626 §6), else by comparing the URIs (RFC 3261 §19.1.4).
        """
        other = Binding.of(contact)
        if self.instance and other.instance and self.reg_id and other.reg_id:
            same = self.instance.lower() == other.instance.lower()
            return same and self.reg_id == other.reg_id
        try:
            return self.value.uri.equivalent(contact.uri)
        except ParseError:
            return False


def bindings_of(response: Response) -> tuple[Binding, ...]:
    """Return the bindings that a 2xx to REGISTER lists; those that cannot be read are left out."""
    found = []
    for text in values_of(response, "Contact"):
        try:
            found.append(Binding.of(DNameURI.parse(text)))
        except ParseError:
            continue
    return tuple(found)


def lifetime(response: Response, contacts: Iterable[DNameURI], asked: float) -> float:
    """Return for how long the first of some Contact values to expire is registered (§10.2.4).

    Args:
        response: The 2xx.
        contacts: What was registered.
        asked: What was asked for, which counts where the response says nothing.
    """
    text = response._text("expires")
    otherwise = asked if text is None else _seconds(text)
    found = bindings_of(response)
    times = []
    for contact in contacts:
        own = next((one for one in found if one.is_at(contact)), None)
        times.append(otherwise if own is None or own.expires is None else own.expires)
    return min(times, default=otherwise)


def values_of(message: Message, name: str) -> tuple[str, ...]:
    """Return the values of a header, each alone, as text; the first of very many."""
    found: list[str] = []
    for line in message.lines(name):
        try:
            found += split_list(line, name)
        except ParseError:
            continue
    return tuple(found[:_MOST])


def _seconds(text: str) -> float:
    text = text.strip()
    return min(float(text), 2.0**32 - 1) if text.isascii() and text.isdigit() else _MALFORMED


def read_number(text: str | None, digits: int) -> int | None:
    """Return a whole number of so many digits at the most; None where the text is none."""
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def _gruu(text: str | None) -> str | None:
    """Return a GRUU that can be a Contact of ours (RFC 5627 §4.4); None for none."""
    try:
        return text if text and split_sip_uri(text).host and text.isascii() else None
    except ParseError:
        return None


def _preference(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return max(0.0, min(value, 1.0)) if value == value else None
