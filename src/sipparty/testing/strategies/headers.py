"""The headers of SIP: a table of what the values of each may be."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.sip.headers import HEADERS, header_key
from sipparty.sip.uri_parameters import escape
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


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@cache
def _dates() -> SearchStrategy[str]:
    return st.datetimes().map(
        lambda it: (
            f"{_DAYS[it.weekday()]}, {it.day:02} {_MONTHS[it.month - 1]} {it.year:04} "
            f"{it.hour:02}:{it.minute:02}:{it.second:02} GMT"
        )
    )


_SECONDS = numbers(2**32 - 1)
_TOKENS = _listed(tokens(), min_size=1)


@cache
def _dialogs(ours: str, theirs: str) -> SearchStrategy[str]:
    """A Call-ID and two tags (RFC 3891 §6.1, RFC 4538 §7)."""
    shape = "{}" + f";{ours}-tag={{}};{theirs}-tag={{}}"
    # A quotation mark would open a string there, which the Call-ID may not be.
    call_id = tokens().map(lambda text: f"{text}@example.com")
    return st.builds(shape.format, call_id, tokens(), tokens())


_TOKEN = tokens()
_REFERENCES = _listed(_with_parameters(uris().map("<{}>".format)))
_ONE_TOKEN = _with_parameters(_TOKEN)
_SOME_TOKENS = _listed(_ONE_TOKEN)
_IDENTITIES = _listed(uris().map("<{}>".format))
_NAMED = st.builds("icid-value={}{}".format, _TOKEN, header_parameters())

#: The values of each header that has a grammar of its own, by its name in lower case: of one line,
#: with all that it may list. The RFC is the header's in `sipparty.sip.headers`.
HEADER_VALUES: dict[str, SearchStrategy[str]] = {
    "accept": _listed(_media_types()),
    "accept-encoding": _listed(_with_parameters(tokens())),
    "accept-language": _listed(st.sampled_from(["da", "en-gb;q=0.8", "en;q=0.7", "*"])),
    "alert-info": _REFERENCES,
    "allow": _listed(st.sampled_from(METHODS)),
    "allow-events": _TOKENS,
    "authentication-info": st.builds('nextnonce="{}", qop=auth'.format, tokens()),
    "authorization": _credentials(),
    "call-id": call_ids(),
    "call-info": _REFERENCES,
    "contact": st.one_of(_listed(contacts()), st.just("*")),
    "content-disposition": _with_parameters(st.sampled_from(["session", "render", "icon"])),
    "content-encoding": _TOKENS,
    "content-language": _listed(st.sampled_from(["fr", "en", "en-gb"])),
    "content-length": numbers(10**9),
    "content-type": _media_types(),
    "cseq": st.builds("{} {}".format, st.integers(0, 2**31 - 1), st.sampled_from(METHODS)),
    "date": _dates(),
    "diversion": _listed(addresses()),
    "error-info": _REFERENCES,
    "event": st.builds(
        "{}{}".format,
        st.sampled_from(["presence", "dialog", "refer", "message-summary", "presence.winfo"]),
        st.sampled_from(["", ";id=1"]),
    ),
    "expires": _SECONDS,
    "from": addresses(tag=True),
    "history-info": _listed(uris(scheme="sip").map("<{}>;index=1.1".format)),
    "in-reply-to": _listed(tokens().map("{}@example.com".format)),
    "join": _dialogs("from", "to"),
    "max-forwards": numbers(255),
    "mime-version": st.just("1.0"),
    "min-expires": _SECONDS,
    "min-se": _SECONDS,
    "organization": words(),
    "p-preferred-identity": _IDENTITIES,
    "path": _listed(_routes()),
    "priority": st.sampled_from(["emergency", "urgent", "normal", "non-urgent"]),
    "privacy": _listed(st.sampled_from(["header", "session", "user", "id"]), separator=";"),
    "proxy-authenticate": _challenges(),
    "proxy-authentication-info": st.builds('nextnonce="{}"'.format, tokens()),
    "proxy-authorization": _credentials(),
    "proxy-require": _TOKENS,
    "rack": st.builds("{} {} INVITE".format, st.integers(1, 2**31), st.integers(1, 2**31 - 1)),
    "reason": _listed(st.sampled_from(['SIP;cause=200;text="Done, done"', "Q.850;cause=16"])),
    "record-route": _listed(_routes()),
    "refer-sub": st.sampled_from(["true", "false"]),
    "refer-to": addresses(),
    "referred-by": addresses(),
    "replaces": _dialogs("from", "to"),
    "reply-to": addresses(),
    "require": _TOKENS,
    "retry-after": st.builds(
        "{}{}".format, _SECONDS, st.sampled_from(["", ";duration=60", " (in a meeting)"])
    ),
    "route": _listed(_routes()),
    "rseq": st.integers(1, 2**31 - 1).map(str),
    "server": st.sampled_from(["HomeServer v2", "a/1.0 (x (y)) b"]),
    "service-route": _listed(_routes()),
    "session-expires": st.builds(
        "{}{}".format,
        st.integers(90, 10**6),
        st.sampled_from(["", ";refresher=uac", ";refresher=uas"]),
    ),
    "sip-etag": tokens(),
    "sip-if-match": tokens(),
    "subject": words(),
    "subscription-state": st.builds(
        "{}{}".format,
        st.sampled_from(["active", "pending", "terminated"]),
        st.sampled_from(["", ";expires=600", ";reason=noresource;retry-after=5"]),
    ),
    "supported": _TOKENS,
    "target-dialog": _dialogs("local", "remote"),
    "timestamp": st.sampled_from(["54", "54.21", "54 0.3"]),
    "to": addresses(tag=None),
    "unsupported": _TOKENS,
    "user-agent": st.sampled_from(["Softphone Beta1.5", "a/1.0 (x (y)) b"]),
    "via": _listed(vias()),
    "warning": _listed(st.builds("{} {} {}".format, st.integers(300, 399), hostports(),
                                 quoted_strings())),
    "www-authenticate": _challenges(),
    # Of several headers alike.
    **dict.fromkeys(("accept-resource-priority", "resource-priority", "p-early-media"), _TOKENS),
    **dict.fromkeys(("accept-contact", "reject-contact", "feature-caps"), _SOME_TOKENS),
    **dict.fromkeys(("recv-info", "p-access-network-info", "identity"), _SOME_TOKENS),
    **dict.fromkeys(("security-client", "security-server", "security-verify"), _SOME_TOKENS),
    **dict.fromkeys(("p-asserted-service", "p-preferred-service", "user-to-user"), _SOME_TOKENS),
    **dict.fromkeys(("answer-mode", "priv-answer-mode", "geolocation-routing"), _ONE_TOKEN),
    **dict.fromkeys(("info-package", "session-id", "p-visited-network-id"), _ONE_TOKEN),
    **dict.fromkeys(("p-charging-vector", "p-charging-function-addresses"), _NAMED),
    **dict.fromkeys(("p-associated-uri", "p-asserted-identity"), _IDENTITIES),
    **dict.fromkeys(("flow-timer", "geolocation-error"), _SECONDS),
    "geolocation": _REFERENCES,
    "max-breadth": numbers(255),
    "p-called-party-id": addresses(),
    "request-disposition": _listed(st.sampled_from(["proxy", "fork", "no-cancel", "recurse"])),
    "suppress-if-match": st.one_of(tokens(), st.just("*")),
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
