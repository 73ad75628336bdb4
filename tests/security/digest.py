"""What the tests of Digest under attack share: an authenticator, and answers to its challenges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sipparty.sip.auth import Challenge, Credentials, DigestClient, DigestServer, digest_response

from ..unit.sip.conftest import Wire

__all__ = [
    "PASSWORDS",
    "REALM",
    "Server",
    "challenge",
    "counter",
    "make_authenticator",
    "prove",
]

REALM = "biloxi.com"
PASSWORDS = {"alice": "wonderland", "carol": "christmas"}


def counter(prefix: str) -> Callable[[], str]:
    """Return a source of tokens that can be foretold."""
    made = iter(range(1_000_000))
    return lambda: f"{prefix}{next(made):08}"


def make_authenticator(**options: Any) -> DigestServer:
    """Return an authenticator that knows alice and carol."""
    lookup = options.pop("lookup", lambda user, realm: PASSWORDS.get(user))
    realm = options.pop("realm", REALM)
    options.setdefault("secret", b"secret" * 6)
    options.setdefault("tokens", counter("authenticator"))
    return DigestServer(realm, lookup, **options)


def challenge(name: str = "WWW-Authenticate", **parameters: Any) -> tuple[str, str]:
    """Return the header of a challenge; a parameter that is None is left out."""
    values = {"realm": REALM, "nonce": "n1", "qop": "auth", "algorithm": "MD5"} | parameters
    return name, str(Challenge({key: value for key, value in values.items() if value is not None}))


def prove(offer: str, method: str, uri: str, **changes: Any) -> str:
    """Return the credentials that answer a challenge, right but for what is changed.

    `user`, `password` and `claimed` say whose they are, `body` counts with auth-int; other changes
    are parameters, left out where they are None.
    """
    asked = Challenge.parse(offer)
    user = changes.pop("user", "alice")
    password = changes.pop("password", PASSWORDS.get(user, "guess"))
    qop = changes.pop("qop", "auth")
    nc, cnonce = ("00000001", "c1") if qop else ("", "")
    nc = changes.pop("nc", nc)
    values = {
        "username": user,
        "realm": asked.realm,
        "nonce": changes.pop("nonce", asked.nonce),
        "uri": uri,
        "algorithm": asked.algorithm,
        "qop": qop,
        "nc": nc or None,
        "cnonce": cnonce or None,
    }
    values["response"] = digest_response(
        algorithm=asked.algorithm,
        username=user,
        realm=asked.realm,
        password=password,
        method=method,
        uri=uri,
        nonce=values["nonce"],
        nc=nc,
        cnonce=cnonce,
        qop=qop or "",
        body=changes.pop("body", b""),
    )
    values |= changes
    return str(Credentials({key: value for key, value in values.items() if value}))


class Server:
    """Bob, who has an authenticator, and whoever sends to him."""

    def __init__(self, **options: Any) -> None:
        self.wire = Wire()
        self.bob = self.wire.agent(
            options.pop("agent", "sip:bob@biloxi.com"), authenticator=make_authenticator(**options)
        )
        self._number = 0

    def ask(
        self,
        method: str = "OPTIONS",
        credentials: Iterable[str] = (),
        *,
        source: str = "",
        **changes: Any,
    ) -> Any:
        """Send a request of its own; returns the answer, None where a person is asked."""
        self._number += 1
        flow = self.wire.flow
        if source:
            flow = flow.to((source, 5060))
        request = self.wire.request(
            method,
            branch=f"z9hG4bK{self._number}",
            call_id=f"c{self._number}",
            headers=[
                *(f"Authorization: {text}" for text in credentials),
                *changes.pop("headers", ()),
            ],
            **changes,
        )
        self.wire.receive(request, flow)
        sent = self.wire.sent()
        return sent[0] if sent else None

    def offer(self, algorithm: str = "MD5", *, source: str = "") -> str:
        """Return a challenge, by an algorithm."""
        answer = self.ask(source=source)
        assert answer.status == 401
        (offer,) = [
            text
            for text in answer.lines("WWW-Authenticate")
            if Challenge.parse(text).algorithm == algorithm
        ]
        return offer

    def counters(self) -> dict[str, int]:
        """How much was noticed of each kind of attack."""
        counts = self.wire.core.counts()
        return {kind: counts[kind] for kind in ("guessing", "relay", "malformed", "flood")}


def client(accounts: Any = None, **options: Any) -> DigestClient:
    """Return what answers challenges."""
    return DigestClient(accounts, tokens=counter("cnonce"), **options)
