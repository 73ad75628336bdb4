"""The headers of SIP: a table of what the values of each may be."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.sip.headers import HEADERS, Many, header_key
from sipparty.sip.typed import (
    AddressReference,
    Date,
    MediaRange,
    NumberValue,
    ParameterList,
    TokenValue,
    WordValue,
)
from sipparty.sip.uri_parameters import escape
from sipparty.sip.values import DNameURI
from sipparty.testing.strategies.pieces import (
    header_parameters,
    hostports,
    numbers,
    quoted_strings,
    tokens,
    uris,
    words,
)

__all__ = [
    "HEADER_VALUES",
    "METHODS",
    "addresses",
    "call_ids",
    "contacts",
    "header_names",
    "header_values",
    "headers",
    "other_headers",
    "vias",
]

#: The methods of RFC 3261 and its extensions.
METHODS: tuple[str, ...] = (
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "MESSAGE",
    "REFER", "INFO", "UPDATE", "PRACK", "PUBLISH",
)  # fmt: skip


@cache
def addresses(*, tag: bool | None = False) -> SearchStrategy[str]:
    """A URI with a display name or without (RFC 3261 §20.10 `name-addr`, `addr-spec`).

    Args:
        tag: Whether there is a `tag` parameter; None for either.
    """
    name = st.one_of(
        st.just(""),
        st.from_regex(r"[A-Za-z0-9\-.!*_+~]{1,8}( [A-Za-z]{1,5})? ?", fullmatch=True),
        quoted_strings().map("{} ".format),
    )
    # §20: an address without brackets may hold no comma, question mark or semicolon.
    bare = st.builds("sip:{}@{}".format, tokens(8).map(escape), hostports())
    address = st.one_of(st.builds("{}<{}>".format, name, uris()), bare)
    tags = tokens().map(";tag={}".format)
    tail = tags if tag else st.just("") if tag is False else st.one_of(st.just(""), tags)
    return st.builds("{}{}{}".format, address, tail, header_parameters(2))


@cache
def contacts() -> SearchStrategy[str]:
    """One element of a Contact header (RFC 3261 §20.10)."""
    known = st.sampled_from(["", ";q=0.7", ";expires=3600", ";q=1.0;expires=0"])
    return st.builds("{}{}".format, addresses(), known)


@cache
def _routes() -> SearchStrategy[str]:
    uri = st.builds("sip:{};lr".format, hostports())
    return st.builds("<{}>{}".format, uri, header_parameters(1))


@cache
def vias() -> SearchStrategy[str]:
    """One element of a Via header (RFC 3261 §20.42)."""
    space = st.sampled_from(["", "", " "])
    protocol = st.builds(
        "SIP{0}/{0}2.0{0}/{0}{1}".format,
        space,
        st.sampled_from(["UDP", "TCP", "TLS", "SCTP", "WS", "WSS"]),
    )
    known = st.sampled_from(["", ";rport", ";rport=5062;received=192.0.2.1", ";received=::1"])
    branch = tokens().map(lambda text: ";branch=z9hG4bK" + text.replace("%", "-"))
    return st.builds("{} {}{}{}{}".format, protocol, hostports(), branch, known, space)


def _listed(
    one: SearchStrategy[str], *, separator: str = ", ", min_size: int = 1
) -> SearchStrategy[str]:
    return st.lists(one, min_size=min_size, max_size=3).map(separator.join)


def _with_parameters(value: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.builds("{}{}".format, value, header_parameters(2))


@cache
def _media_types() -> SearchStrategy[str]:
    return _with_parameters(st.builds("{}/{}".format, tokens(8), tokens(8)))


@cache
def _challenges() -> SearchStrategy[str]:
    # One a line: a comma in it is its own (RFC 3261 §7.3.1).
    return st.builds(
        'Digest realm={}, nonce="{}"{}'.format,
        quoted_strings(),
        tokens(),
        st.sampled_from(["", ', qop="auth,auth-int"', ", algorithm=SHA-256, stale=true"]),
    )


@cache
def _credentials() -> SearchStrategy[str]:
    return st.builds(
        'Digest username={}, realm={}, nonce="{}", uri="{}", response="{}"{}'.format,
        quoted_strings(),
        quoted_strings(),
        tokens(),
        uris(scheme="sip"),
        st.from_regex("[0-9a-f]{32}", fullmatch=True),
        st.sampled_from(["", ', qop=auth, nc=00000001, cnonce="0a4f"', ", algorithm=MD5"]),
    )


@cache
def call_ids() -> SearchStrategy[str]:
    """Call-IDs (RFC 3261 §25.1 `callid`)."""
    word = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]{1,10}", fullmatch=True)
    return st.builds("{}{}".format, word, st.one_of(st.just(""), tokens().map("@{}".format)))


@cache
def _dates() -> SearchStrategy[str]:
    return st.datetimes(timezones=st.just(UTC)).map(Date.of)


@cache
def _dialogs(ours: str, theirs: str) -> SearchStrategy[str]:
    """A Call-ID and two tags (RFC 3891 §6.1, RFC 4538 §7)."""
    shape = "{}" + f";{ours}-tag={{}};{theirs}-tag={{}}"
    # A quotation mark would open a string there, which the Call-ID may not be.
    call_id = tokens().map(lambda text: f"{text}@example.com")
    return st.builds(shape.format, call_id, tokens(), tokens())


def _one_of(*values: str) -> SearchStrategy[str]:
    return st.sampled_from(values)


_TOKEN = tokens()
_ONE_TOKEN = _with_parameters(_TOKEN)

#: What the values of each kind may be, by what reads them.
_KINDS: dict[Any, SearchStrategy[str]] = {
    DNameURI.parse: addresses(),
    MediaRange.parse: _media_types(),
    NumberValue.parse: numbers(2**32 - 1),
    AddressReference.parse: _with_parameters(uris().map("<{}>".format)),
    ParameterList.parse: st.builds("icid-value={}{}".format, _TOKEN, header_parameters()),
    TokenValue.parse: _ONE_TOKEN,
    WordValue.parse: _ONE_TOKEN,
    HEADERS["allow"].parse: _TOKEN,
}


@cache
def _of_kind(parse: Any, several: bool) -> SearchStrategy[str]:
    return _listed(_KINDS[parse]) if several else _KINDS[parse]


#: The values of each header that has a grammar of its own, by its name in lower case: of one line,
#: with all that it may list. The RFC is the header's in `sipparty.sip.headers`.
HEADER_VALUES: dict[str, SearchStrategy[str]] = {
    **{
        key: _of_kind(row.parse, row.many in (Many.LIST, Many.TOKENS))
        for key, row in HEADERS.items()
        if row.parse in _KINDS
    },
    **dict.fromkeys(("expires", "min-expires", "flow-timer"), numbers(2**32 - 1)),
    **dict.fromkeys(("route", "record-route", "path", "service-route"), _listed(_routes())),
    **dict.fromkeys(("p-associated-uri", "p-asserted-identity", "p-preferred-identity"),
                    _listed(uris().map("<{}>".format))),
    **dict.fromkeys(("www-authenticate", "proxy-authenticate"), _challenges()),
    **dict.fromkeys(("authorization", "proxy-authorization"), _credentials()),
    **dict.fromkeys(("max-forwards", "max-breadth"), numbers(255)),
    **dict.fromkeys(("organization", "subject"), words()),
    **dict.fromkeys(("join", "replaces"), _dialogs("from", "to")),
    **dict.fromkeys(("server", "user-agent"), _one_of("HomeServer v2", "a/1.0 (x (y)) b")),
    "accept-language": _listed(_one_of("da", "en-gb;q=0.8", "en;q=0.7", "*")),
    "allow": _listed(st.sampled_from(METHODS)),
    "authentication-info": st.builds('nextnonce="{}", qop=auth'.format, _TOKEN),
    "call-id": call_ids(),
    "contact": st.one_of(_listed(contacts()), st.just("*")),
    "content-disposition": _with_parameters(_one_of("session", "render", "icon")),
    "content-language": _listed(_one_of("fr", "en", "en-gb")),
    "content-length": numbers(10**9),
    "content-type": _media_types(),
    "cseq": st.builds("{} {}".format, st.integers(0, 2**31 - 1), st.sampled_from(METHODS)),
    "date": _dates(),
    "event": st.builds("{}{}".format, _one_of("presence", "dialog", "refer", "presence.winfo"),
                       _one_of("", ";id=1")),
    "from": addresses(tag=True),
    "history-info": _listed(uris(scheme="sip").map("<{}>;index=1.1".format)),
    "in-reply-to": _listed(_TOKEN.map("{}@example.com".format)),
    "mime-version": st.just("1.0"),
    "priority": _one_of("emergency", "urgent", "normal", "non-urgent"),
    "privacy": _listed(_one_of("header", "session", "user", "id"), separator=";"),
    "proxy-authentication-info": st.builds('nextnonce="{}"'.format, _TOKEN),
    "rack": st.builds("{} {} INVITE".format, st.integers(1, 2**31), st.integers(1, 2**31 - 1)),
    "reason": _listed(_one_of('SIP;cause=200;text="Done, done"', "Q.850;cause=16")),
    "refer-sub": _one_of("true", "false"),
    "request-disposition": _listed(_one_of("proxy", "fork", "no-cancel", "recurse")),
    "retry-after": st.builds("{}{}".format, numbers(2**32 - 1),
                             _one_of("", ";duration=60", " (in a meeting)")),
    "rseq": st.integers(1, 2**31 - 1).map(str),
    "session-expires": st.builds("{}{}".format, st.integers(90, 10**6),
                                 _one_of("", ";refresher=uac", ";refresher=uas")),
    "subscription-state": st.builds("{}{}".format, _one_of("active", "pending", "terminated"),
                                    _one_of("", ";expires=600", ";reason=noresource")),
    "suppress-if-match": st.one_of(_TOKEN, st.just("*")),
    "target-dialog": _dialogs("local", "remote"),
    "timestamp": _one_of("54", "54.21", "54 0.3"),
    "to": addresses(tag=None),
    "via": _listed(vias()),
    "warning": _listed(st.builds("{} {} {}".format, st.integers(300, 399), hostports(),
                                 quoted_strings())),
}  # fmt: skip


@cache
def header_names() -> SearchStrategy[str]:
    """Names of headers: those in the table when this is first asked for, in full, compact or in odd
    case, and unknown ones.
    """
    rows = sorted(HEADERS.values(), key=lambda row: row.name)
    known = st.sampled_from(
        [*(row.name for row in rows), *(row.compact or row.name for row in rows)]
    )
    odd = known.flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper()]))
    return st.one_of(known, odd, tokens().map("X-{}".format))


def header_values(name: str) -> SearchStrategy[str]:
    """The values of one line of a header.

    Args:
        name: Its name, in any case, or its compact form. Of a header that is not in `HEADER_VALUES`
            the values are text.
    """
    return HEADER_VALUES.get(header_key(name), words())


@cache
def other_headers(without: frozenset[str]) -> SearchStrategy[tuple[str, str]]:
    """A header that is none of these, which are named by their keys, and a value of it."""
    rows = [row for key, row in sorted(HEADERS.items()) if key not in without]
    lines = [st.tuples(st.just(row.name), header_values(row.name)) for row in rows]
    return st.one_of(*lines, st.tuples(tokens(6).map("X-{}".format), words()))


@cache
def headers() -> SearchStrategy[tuple[str, str]]:
    """A name of a header, and a value of it."""
    return header_names().flatmap(lambda name: st.tuples(st.just(name), header_values(name)))
