"""Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): who somebody is, proved without sending
a password.

    Challenge, Credentials, AuthenticationInfo     header values
    Account, hash_password, digest_response        secrets and arithmetic
    DigestClient, DigestExchange                   answering challenges
    Trust                                          whose challenges are answered
    DigestServer                                   making them, and verifying the answers

Laws: no I/O, no clock, no chance of its own: `now` and tokens are arguments. No secret shows in a
`repr`, an error or a log.
"""

from typing import TYPE_CHECKING, Any

from sipparty.late import late_names
from sipparty.sip.headers import Many, register_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipparty.sip.auth.client import DigestClient
    from sipparty.sip.auth.digest import (
        ALGORITHMS,
        ANY_ALGORITHM,
        STRONG_ALGORITHMS,
        Account,
        Algorithm,
        digest_response,
        hash_password,
        hash_username,
    )
    from sipparty.sip.auth.exchange import (
        AuthenticationError,
        CredentialsRefused,
        DigestExchange,
        NoCredentials,
        ServerNotProven,
    )
    from sipparty.sip.auth.server import AccountSought, DigestServer
    from sipparty.sip.auth.trust import Destination, Origin, Trust
    from sipparty.sip.auth.values import AuthenticationInfo, Challenge, Credentials
    from sipparty.sip.auth.verdicts import Authenticated, Challenged, Limited, Malformed, Verdict

__all__ = [
    "ALGORITHMS",
    "ANY_ALGORITHM",
    "STRONG_ALGORITHMS",
    "Account",
    "AccountSought",
    "Algorithm",
    "Authenticated",
    "AuthenticationError",
    "AuthenticationInfo",
    "Challenge",
    "Challenged",
    "Credentials",
    "CredentialsRefused",
    "Destination",
    "DigestClient",
    "DigestExchange",
    "DigestServer",
    "Limited",
    "Malformed",
    "NoCredentials",
    "Origin",
    "ServerNotProven",
    "Trust",
    "Verdict",
    "digest_response",
    "hash_password",
    "hash_username",
]


if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "trust digest values verdicts exchange client server")


def _parser(name: str) -> "Callable[[str], Any]":
    """Return the `parse` of a class of header values, which is loaded with its first value."""

    def parse(text: str) -> Any:
        from sipparty.sip.auth import values

        return getattr(values, name).parse(text)

    parse.__name__ = name
    return parse


# RFC 3261 §7.3.1: commas in these are their own, so each line is one value.
for _name, _kind, _rfc in (
    ("Authorization", "Credentials", "RFC 3261 §20.7"),
    ("Proxy-Authorization", "Credentials", "RFC 3261 §20.28"),
    ("WWW-Authenticate", "Challenge", "RFC 3261 §20.44"),
    ("Proxy-Authenticate", "Challenge", "RFC 3261 §20.27"),
):
    register_header(_name, _parser(_kind), Many.LINES, rfc=_rfc)
register_header("Authentication-Info", _parser("AuthenticationInfo"), rfc="RFC 3261 §20.6")
register_header("Proxy-Authentication-Info", _parser("AuthenticationInfo"), rfc="RFC 7615 §4")
