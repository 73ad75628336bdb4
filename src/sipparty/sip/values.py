"""Typed header values: `DNameURI`, `Via`, `CSeq`, `MediaType`.

The laws of `HeaderValue` hold for them. Parsing one looks at its structure only: what stands inside
(a URI, parameters) is parsed when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Self

from sipparty.errors import BuildError, ParseError
from sipparty.late import late_pattern
from sipparty.sip.components import URI, Host
from sipparty.sip.flow import host_port
from sipparty.sip.grammar import TOKEN_CHARS, as_text, check_line, is_token, quote, split_address
from sipparty.sip.headervalue import (
    HeaderParameters,
    HeaderValue,
    attribute,
    check_token,
    checked_tail,
)
from sipparty.sip.uri_grammar import PLAIN_SIP_URI, URIParts, split_sip_uri

__all__ = [
    "CSeq",
    "DNameURI",
    "HeaderParameters",
    "HeaderValue",
    "MediaType",
    "Via",
]


def _host(value: str) -> str:
    try:
        return Host(value).address or ""
    except ParseError as error:
        raise BuildError(f"{value!r} cannot be the host of a Via: {error}") from error


def _port(value: int | None) -> int | None:
    if value is None or (isinstance(value, int) and 0 <= value <= 65535):
        return value
    raise BuildError(f"{value!r} cannot be the port of a Via: expected 0 to 65535, or None.")


def _name(value: str | None) -> str:
    return check_line(value or "", "display name")


_transport = partial(check_token, what="transport")
_media = partial(check_token, what="media type")


#: A name and address as most are written: no escapes, no white space around.
_PLAIN_ADDRESS = late_pattern(
    rf"(?:\"([^\"\\]*+)\"[ \t]*+|([{TOKEN_CHARS}][{TOKEN_CHARS} \t]*+)?)"
    r"<([^<>\"\s]++)>((?:;[^\"\s]*+)?)"
)


_NO_PARTS = URIParts("", None, "", None, "", "")


class _Wildcard(URI):
    """The `*` of a Contact (RFC 3261 §10.2.2): no address, and so without parts."""

    def __str__(self) -> str:
        return "*"


class DNameURI(HeaderValue):
    """A URI with an optional display name and parameters: From, To, Contact, Route and their kin
    (RFC 3261 §20.10).

    Args:
        uri: The URI, as a `URI` (of which a copy is taken) or as text; "*" for the wildcard.
        display_name: What a person sees, unquoted; "" where there is none.
        parameters: Header parameters, `tag=x;expires=60` or a mapping.
        tag: A shorthand for the `tag` parameter.

    Raises:
        ParseError: The URI text is not a URI.
        BuildError: A text would break out of the header.
    """

    __slots__ = ("_display", "_uri", "_uri_text")

    WHAT = "name and address"

    def __init__(
        self,
        uri: URI | str | bytes,
        display_name: str = "",
        parameters: Mapping[str, Any] | str = "",
        tag: str | None = None,
    ) -> None:
        self._begin(parameters)
        self._display = _name(display_name)
        self._uri: URI | None = None
        self._uri_text = "*"
        if uri != "*":
            self.uri = uri
        if tag is not None:
            self.tag = tag

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Parse `"Bob" <sip:bob@biloxi.com>;tag=1`, or the form without angle brackets (RFC 3261
        §20).

        In the form without brackets every parameter is the header's, none the URI's. White space
        within the brackets, from a line that was folded there, is no part of the URI (RFC 4475
        §3.1.2.14, RFC 3986 Appendix C).

        Raises:
            ParseError: A quotation mark or an angle bracket stands alone, or there is no URI.
        """
        if text.__class__ is not str:
            text = as_text(text)
        self = cls.__new__(cls)
        self._raw = text
        self._uri = self._parameters = None
        found = _PLAIN_ADDRESS.fullmatch(text)
        if found is not None:
            quoted, plain, self._uri_text, self._tail = found.groups("")
            self._display = quoted or plain.rstrip()
            checked_tail(self._tail, cls.WHAT)
            return self
        self._display, self._uri_text, tail = split_address(text, cls.WHAT)
        self._tail = checked_tail(tail, cls.WHAT)
        return self

    display_name: str = attribute(
        "_display", 'The display name without quotes; "" where there is none.', _name
    )

    @property
    def uri(self) -> URI:
        """The URI; a change made to it shows when this value is written. Set to a `URI`, it takes
        a copy. That of the wildcard has no parts, and is "*" as text.

        Raises:
            ParseError: What came in its place is not a URI.
        """
        if self._uri is None:
            text = self._uri_text
            self._uri = _Wildcard() if text == "*" else URI.parse(text)
        return self._uri

    @uri.setter
    def uri(self, value: URI | str | bytes) -> None:
        self._uri = None if isinstance(value, URI) else URI.parse(as_text(value))
        self._uri_text = str(value) if self._uri is None else str(self._uri)
        self._raw = None

    def _is_still(self, text: str) -> bool:
        return self._raw is text and self._parameters is None and self._uri is None

    @property
    def parts(self) -> URIParts:
        """The URI's parts as text, read only: what to ask where many messages pass by. The wildcard
        has none.

        Raises:
            ParseError: What came in its place is not a URI.
        """
        text = self.uri_text
        return _NO_PARTS if text == "*" else split_sip_uri(text)

    @property
    def username(self) -> str | None:
        """The user of the URI, escapes and all; None where there is none."""
        # Nearly all are written plainly, and then the rest of the parts is not needed.
        found = PLAIN_SIP_URI.fullmatch(self._uri_text) if self._uri is None else None
        return found[2] if found is not None else self.parts.user

    @property
    def address(self) -> str:
        """The host of the URI, an IPv6 address without brackets; "" where it is not a SIP URI."""
        found = PLAIN_SIP_URI.fullmatch(self._uri_text) if self._uri is None else None
        return found[3].lower() if found is not None else self.parts.host

    @property
    def uri_text(self) -> str:
        """The URI as text, without parsing it."""
        return self._uri_text if self._uri is None else str(self._uri)

    @property
    def tag(self) -> str | None:
        """The `tag` parameter (RFC 3261 §19.3); None where there is none."""
        return self.parameter("tag")

    @tag.setter
    def tag(self, value: str | None) -> None:
        self._set_parameter("tag", None if value is None else check_token(value, "tag"))

    @property
    def is_wildcard(self) -> bool:
        """Whether this is the `*` of a Contact that removes every binding (RFC 3261 §10.2.2)."""
        return self._uri_text == "*"

    def _settle(self) -> None:
        super()._settle()
        if self._uri is not None:
            old, new = self._uri_text, str(self._uri)
            if new != old:
                self._uri_text = new
                raw = self._raw
                if raw is not None:
                    # The display name and the parameters stay as they came.
                    raw = raw.rstrip()
                    before = raw[: len(raw) - len(self._tail)].rstrip()
                    end = len(before) - 1
                    self._raw = (
                        f"{raw[: end - len(old)]}{new}{raw[end:]}"
                        if before.endswith(f"<{old}>") and raw.endswith(self._tail)
                        else None
                    )

    def _write(self) -> str:
        if self.is_wildcard:
            return "*" + self._tail
        name = self._display
        if name:
            # Tokens and spaces may stand unquoted, but every parser takes the quoted form.
            name = quote(name) + " "
        return f"{name}<{self._uri_text}>{self._tail}"


_VIA = late_pattern(
    rf"[ \t]*+([{TOKEN_CHARS}]++)[ \t]*+/[ \t]*+([{TOKEN_CHARS}]++)[ \t]*+/"
    rf"[ \t]*+([{TOKEN_CHARS}]++)[ \t]++(\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9.\-_]++)[ \t]*+"
    r"(?::[ \t]*+([0-9]{1,5})[ \t]*+)?(;.*+)?",
    re.S,
)


class Via(HeaderValue):
    """One hop that a request took (RFC 3261 §20.42).

    Args:
        transport: "UDP", "TCP", "TLS", "WS" or "WSS".
        host: Our host, the *sent-by*; IPv6 without brackets.
        port: The port; None stands for the transport's default.
        branch: The transaction's identity.
        parameters: Further parameters, as text or a mapping.

    Raises:
        BuildError: A part cannot stand where it is.
    """

    __slots__ = ("_host", "_port", "_protocol", "_transport", "_version")

    WHAT = "Via"

    def __init__(
        self,
        transport: str,
        host: str,
        port: int | None = None,
        branch: str | None = None,
        parameters: Mapping[str, Any] | str = "",
    ) -> None:
        self._begin(parameters)
        self._protocol, self._version = "SIP", "2.0"
        self._transport = _transport(transport)
        self._host = _host(host)
        self._port = _port(port)
        if branch is not None:
            self.branch = branch

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Parse one element of a Via header.

        Raises:
            ParseError: It is not `protocol / version / transport sent-by ; parameters`.
        """
        if text.__class__ is not str:
            text = as_text(text)
        found = _VIA.fullmatch(text)
        if found is None:
            raise ParseError(text, "SIP/2.0/transport host[:port][;parameters]", 0, what=cls.WHAT)
        self = cls.__new__(cls)
        self._raw = text
        self._parameters = None
        self._protocol, self._version, self._transport, host, port, tail = found.groups()
        self._host = host[1:-1] if host[0] == "[" else host
        if port is None:
            self._port = None
        else:
            self._port = int(port)
            if self._port > 65535:
                raise ParseError(text, "a port from 0 to 65535", found.start(5), what=cls.WHAT)
        self._tail = checked_tail(tail.rstrip(), cls.WHAT) if tail else ""
        return self

    protocol: str = attribute("_protocol", 'The protocol, "SIP".', _transport)
    version: str = attribute("_version", 'The version, "2.0".', _transport)
    transport: str = attribute("_transport", 'The transport: "UDP", "TCP", ...', _transport)
    host: str = attribute("_host", "The host of the sent-by; IPv6 without brackets.", _host)
    port: int | None = attribute(
        "_port", "The port of the sent-by; None for the transport's default.", _port
    )

    @property
    def sent_by(self) -> str:
        """Host and port as written (RFC 3261 §18.1.1)."""
        return host_port(self._host, self._port)

    @property
    def branch(self) -> str | None:
        """The transaction's identity (RFC 3261 §8.1.1.7); None from an element older than RFC
        3261.
        """
        return self.parameter("branch")

    @branch.setter
    def branch(self, value: str | None) -> None:
        self._set_parameter("branch", value)

    @property
    def received(self) -> str | None:
        """The address the request came from, added by who received it (RFC 3261 §18.2.1); IPv6
        without the brackets that some put around it (RFC 5118 §4.5).
        """
        value = self.parameter("received")
        return value.strip("[]") if value else value

    @received.setter
    def received(self, value: str | None) -> None:
        self._set_parameter("received", value)

    @property
    def rport(self) -> str | None:
        """The port the request came from, as text; "" asks for it (RFC 3581 §3)."""
        return self.parameter("rport")

    @rport.setter
    def rport(self, value: str | int | None) -> None:
        if value == "":
            self.parameters["rport"] = None
        else:
            self._set_parameter("rport", value)

    def _write(self) -> str:
        return f"{self._protocol}/{self._version}/{self._transport} {self.sent_by}{self._tail}"


_CSEQ = late_pattern(rf"[ \t]*+([0-9]{{1,20}}+)[ \t]++([{TOKEN_CHARS}]++)[ \t]*+")


class CSeq(NamedTuple):
    """The place of a request in its dialog, and its method (RFC 3261 §20.16).

    Args:
        number: 0 to 2**31 - 1.
        method: The method, case-sensitive.
    """

    number: int
    method: str

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Parse `314159 INVITE`.

        Raises:
            ParseError: It is not a number and a method, or the number is 2**31 or more (RFC 3261
            §8.1.1.5).
        """
        if text.__class__ is not str:
            text = as_text(text)
        found = _CSEQ.fullmatch(text)
        if found is None:
            raise ParseError(text, "a number, a space and a method", 0, what="CSeq")
        number = int(found.group(1))
        if number >= 1 << 31:
            raise ParseError(text, "a number below 2**31", found.start(1), what="CSeq")
        return cls(number, found.group(2))

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class MediaType(HeaderValue):
    """A media type such as `application/sdp` (RFC 3261 §20.15).

    Args:
        type: "application", "multipart", ...
        subtype: "sdp", "mixed", ...
        parameters: `boundary=x`, or a mapping.

    Raises:
        BuildError: The type or the subtype is not a token.
    """

    __slots__ = ("_subtype", "_type")

    WHAT = "media type"

    def __init__(self, type: str, subtype: str, parameters: Mapping[str, Any] | str = "") -> None:
        self._begin(parameters)
        self._type = _media(type)
        self._subtype = _media(subtype)

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Parse `application/sdp;charset=x`.

        Raises:
            ParseError: There is no type, slash and subtype.
        """
        text = as_text(text)
        self = cls.__new__(cls)
        self._raw = text
        self._parameters = None
        essence, semicolon, tail = text.partition(";")
        type_, slash, subtype = essence.partition("/")
        self._type, self._subtype = type_.strip(), subtype.strip()
        self._tail = checked_tail((semicolon + tail).rstrip(), cls.WHAT)
        if not slash or not is_token(self._type) or not is_token(self._subtype):
            raise ParseError(text, "type/subtype", 0, what=cls.WHAT)
        return self

    type: str = attribute("_type", "The type before the slash.", _media)
    subtype: str = attribute("_subtype", "The subtype after the slash.", _media)

    @property
    def essence(self) -> str:
        """`type/subtype` in lower case, to compare by."""
        return f"{self._type}/{self._subtype}".lower()

    def _write(self) -> str:
        return f"{self._type}/{self._subtype}{self._tail}"
