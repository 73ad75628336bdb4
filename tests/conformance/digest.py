"""Digest access authentication for probes, without the library that is probed (RFC 7616 §3.4)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .message import Message
from .probe import Headers, Scene, Step
from .stage import PASSWORD
from .steps import NONE, Send

__all__ = ["Proves", "challenge", "proof", "proves"]

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PARAMETER = re.compile(r'([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a challenge or of credentials."""
    scheme, _, rest = text.partition(" ")
    assert scheme.lower() == "digest", f"{text!r} is no Digest"
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(rest):
        assert name.lower() not in found, f"{name} is twice in {text!r}"
        found[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) or plain
    return found


def challenge(message: Message, algorithm: str = "") -> dict[str, str]:
    """The parameters of the challenge of an algorithm; by default of the first one.

    Raises:
        AssertionError: There is none, or it lacks what it must have (RFC 7616 §3.3).
    """
    texts = message.all("www-authenticate") + message.all("proxy-authenticate")
    found = [_parameters(text) for text in texts]
    for one in found:
        assert one.get("realm"), f"a challenge has no realm: {one}"
        assert one.get("nonce"), f"a challenge has no nonce: {one}"
        assert "qop" in one, f"a challenge has no qop: {one}"
    wanted = [one for one in found if one.get("algorithm", "MD5") == (algorithm or "MD5")]
    assert found, "there is no challenge"
    return wanted[0] if algorithm else found[0]


def proof(
    method: str,
    uri: str,
    given: dict[str, str],
    *,
    user: str = PASSWORD[0],
    password: str = PASSWORD[1],
    nc: str = "00000001",
    cnonce: str = "c1",
    qop: str = "auth",
) -> str:
    """The response of a Digest (RFC 7616 §3.4.1); without qop that of RFC 2069."""
    # Of an algorithm that nobody knows, any proof will do.
    make = _HASHES.get(given.get("algorithm", "MD5"), hashlib.sha256)

    def digest(text: str) -> str:
        return make(text.encode()).hexdigest()

    secret, asked = digest(f"{user}:{given['realm']}:{password}"), digest(f"{method}:{uri}")
    middle = f"{nc}:{cnonce}:{qop}:" if qop else ""
    return digest(f"{secret}:{given['nonce']}:{middle}{asked}")


def proves(header: str, **wanted: str) -> Callable[[Scene, Message], str]:
    """Return a check that a request's credentials are right; of other texts where they are given.

    Args:
        header: "Authorization" or "Proxy-Authorization".
        wanted: Parameters that the credentials have to have.
    """

    def check(scene: Scene, message: Message) -> str:
        texts = message.all(header)
        if len(texts) != 1:
            return f"{header} is {texts}"
        said = _parameters(texts[0])
        right = proof(
            message.method,
            said["uri"],
            said,
            nc=said.get("nc", ""),
            cnonce=said.get("cnonce", ""),
            qop=said.get("qop", ""),
        )
        if said["response"] != right or said["username"] != PASSWORD[0]:
            return f"the proof is wrong: {texts[0]}"
        if said["uri"] != message.uri:
            return f"its uri is {said['uri']}"
        missing = {name: one for name, one in wanted.items() if said.get(name) != one}
        return f"{said} lacks {missing}" if missing else ""

    return check


@dataclass(frozen=True)
class Proves(Step):
    """Send a request with credentials for the challenge that came last.

    Args:
        method: The method.
        headers: As for `Send`.
        algorithm: Which challenge is answered.
        say: Parameters of the credentials in the place of the right ones; None for none.
        wrong: Arguments of `proof` in the place of the right ones.
    """

    method: str
    headers: Headers = field(default_factory=dict)
    algorithm: str = "SHA-256"
    say: dict[str, str | None] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    def play(self, scene: Scene) -> None:
        """Send it."""
        if scene.got is not None and scene.got.all("www-authenticate"):
            scene.kept["challenge"] = challenge(scene.got, self.algorithm)
        given = {**scene.kept["challenge"]}
        for name in ("realm", "nonce", "algorithm"):
            if isinstance(self.say.get(name), str):
                given[name] = str(self.say[name])
        uri = self.say.get("uri") or scene.fill("sip:bob@{party}")
        nc = self.say.get("nc") or "00000001"
        said: dict[str, str | None] = {
            "username": self.wrong.get("user", PASSWORD[0]),
            "realm": given["realm"],
            "nonce": given["nonce"],
            "uri": uri,
            "algorithm": given.get("algorithm"),
            "qop": "auth",
            "nc": nc,
            "cnonce": "c1",
            "opaque": given.get("opaque"),
        }
        said.update(self.say)
        if "response" not in said:
            made = {"nc": nc, "qop": said["qop"] or "", **self.wrong}
            said["response"] = proof(self.method, uri, given, **made)
        plain = ("algorithm", "qop", "nc")
        text = ", ".join(
            f"{name}={value}" if name in plain else f'{name}="{value}"'
            for name, value in said.items()
            if value is not None
        )
        Send(self.method, {**NONE, "Authorization": f"Digest {text}", **self.headers}).play(scene)
