"""The pieces of SIP: tokens, quoted strings, hosts, users, URIs (RFC 3261 §19.1, §25.1).

A strategy takes time to make, and more to be looked at first: each is made once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sipparty.sip.uri_parameters import escape

__all__ = [
    "header_parameters",
    "hostports",
    "hosts",
    "numbers",
    "quoted_strings",
    "tokens",
    "uris",
    "users",
    "words",
]


@cache
def tokens(max_size: int = 12) -> SearchStrategy[str]:
    """Tokens (RFC 3261 §25.1 `token`), of at most so many characters."""
    return st.from_regex(rf"[A-Za-z0-9\-.!%*_+`'~]{{1,{max_size}}}", fullmatch=True)


@cache
def words() -> SearchStrategy[str]:
    """Text of one line without marks at its ends: what a header of free text may say."""
    text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), max_size=20)
    return text.map(str.strip)


@cache
def quoted_strings() -> SearchStrategy[str]:
    r"""Quoted strings, `\` before each `"` and `\` (RFC 3261 §25.1 `quoted-string`)."""
    return words().map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')


@cache
def numbers(most: int) -> SearchStrategy[str]:
    """Decimal numbers from 0 to `most`."""
    return st.integers(0, most).map(str)


@cache
def hosts() -> SearchStrategy[str]:
    """Host names, IPv4 addresses and IPv6 addresses in brackets (RFC 3261 §25.1 `host`)."""
    label = st.from_regex(r"[a-zA-Z]([a-zA-Z0-9\-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
    return st.one_of(
        st.lists(label, min_size=1, max_size=3).map(".".join),
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(v=6).map("[{}]".format),
    )


@cache
def hostports() -> SearchStrategy[str]:
    """A host, with a port or without (RFC 3261 §25.1 `hostport`)."""
    port = st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format))
    return st.builds("{}{}".format, hosts(), port)


@cache
def users() -> SearchStrategy[str]:
    """The user part of a URI, escaped where it has to be (RFC 3261 §25.1 `user`)."""
    plain = st.from_regex(r"[a-zA-Z0-9\-_.!~*'()&=+$,;?/]{1,10}", fullmatch=True)
    return st.one_of(plain, st.text(min_size=1, max_size=6).map(escape))


def _parameters(
    name: SearchStrategy[str], value: SearchStrategy[str], max_size: int = 3
) -> SearchStrategy[str]:
    one = st.one_of(name, st.builds("{}={}".format, name, value))
    unique = st.lists(one, max_size=max_size, unique_by=lambda it: it.partition("=")[0].lower())
    return unique.map(lambda items: "".join(f";{item}" for item in items))


@cache
def header_parameters(max_size: int = 3) -> SearchStrategy[str]:
    """`;name=value` behind a header's value (RFC 3261 §25.1 `generic-param`)."""
    # Their own names mean something, and are given where they belong.
    name = tokens(8).map(lambda text: "x" + text.replace("%", "-"))
    return _parameters(name, tokens(8).map(lambda text: text.replace("%", "-")), max_size)


@cache
def uris(*, scheme: str | None = None, with_headers: bool = True) -> SearchStrategy[str]:
    """URIs (RFC 3261 §19.1.1, RFC 3966).

    Args:
        scheme: "sip" or "sips", for those alone; "tel", "urn"; None for any.
        with_headers: Whether a SIP URI may have headers, as one in a Contact may and a request-URI
            may not (Table 1 of §19.1.1).
    """
    if scheme is None:
        return st.one_of(*(uris(scheme=name, with_headers=with_headers) for name in _URIS))
    return _URIS[scheme](with_headers)


def _sip_uris(scheme: str, with_headers: bool) -> SearchStrategy[str]:
    password = st.from_regex(r"(:[a-zA-Z0-9&=+$,]{0,4})?", fullmatch=True)
    user = st.one_of(st.just(""), st.builds("{}{}@".format, users(), password))
    part = st.text(min_size=1, max_size=5).map(lambda text: escape(text, "parameter"))
    known = st.sampled_from(["", ";lr", ";transport=tcp", ";user=phone", ";maddr=224.2.0.1;ttl=15"])
    parameters = st.builds("{}{}".format, known, _parameters(part.map("x{}".format), part, 2))
    header = st.text(min_size=1, max_size=5).map(lambda text: escape(text, "header"))
    pairs = st.lists(st.builds("{}={}".format, header, header), max_size=2)
    headers = pairs.map(lambda items: "?" + "&".join(items) if items else "")
    return st.builds(
        "{}:{}{}{}{}".format,
        st.sampled_from([scheme, scheme, scheme.upper()]),
        user,
        hostports(),
        parameters,
        headers if with_headers else st.just(""),
    )


_URIS: dict[str, Callable[[bool], SearchStrategy[str]]] = {
    "sip": lambda with_headers: _sip_uris("sip", with_headers),
    "sips": lambda with_headers: _sip_uris("sips", with_headers),
    "tel": lambda _: st.from_regex(
        r"tel:\+[0-9]([0-9.()\-]{0,8}[0-9])?(;ext=[0-9]{1,3})?", fullmatch=True
    ),
    "urn": lambda _: st.from_regex(r"urn:[a-z]{2,7}:[a-zA-Z0-9.:\-]{1,8}", fullmatch=True),
}
