"""`[authentication]` and `verifyauth`: Digest for a scenario (RFC 7616, RFC 8760)."""

from __future__ import annotations

import os
from hmac import compare_digest

from sipparty.errors import ParseError, SIPPartyError
from sipparty.load.sipp.received import Received
from sipparty.sip.auth import Challenge, Credentials
from sipparty.sip.auth.digest import digest_response, find_algorithm

__all__ = ["are_right", "credentials_line"]

#: The header of a challenge, and that of its answer (RFC 3261 §22).
_HEADERS = (
    ("WWW-Authenticate", "Authorization"),
    ("Proxy-Authenticate", "Proxy-Authorization"),
)


def credentials_line(
    challenged: Received, username: str, password: str, method: str, uri: str, body: bytes
) -> str | None:
    """Return the header line that answers a challenge; None where there is none to answer.

    Args:
        challenged: The 401 or 407.
        username: The user name.
        password: The password.
        method: The method of the request that is to have the line.
        uri: Its Request-URI.
        body: Its body.
    """
    for asked, answer in _HEADERS:
        challenges, _ = Challenge.sift(challenged.values(asked))
        for challenge in challenges:
            if not challenge.is_digest or find_algorithm(challenge.algorithm) is None:
                continue
            qop = next((word for word in ("auth", "auth-int") if word in challenge.qop), "")
            cnonce = os.urandom(8).hex() if qop or challenge.algorithm.endswith("-sess") else ""
            values = {
                "username": username,
                "realm": challenge.realm,
                "nonce": challenge.nonce,
                "uri": uri,
                "response": digest_response(
                    algorithm=challenge.algorithm,
                    username=username,
                    realm=challenge.realm,
                    password=password,
                    method=method,
                    uri=uri,
                    nonce=challenge.nonce,
                    nc="00000001" if qop else "",
                    cnonce=cnonce,
                    qop=qop,
                    body=body,
                ),
                "algorithm": challenge.algorithm,
            }
            if qop:
                values |= {"cnonce": cnonce, "qop": qop, "nc": "00000001"}
            if challenge.opaque is not None:
                values["opaque"] = challenge.opaque
            return f"{answer}: {Credentials(values)}"
    return None


def are_right(request: Received, username: str, password: str) -> bool:
    """Return whether a request has credentials that the user's password makes."""
    for _, header in _HEADERS:
        found, _ = Credentials.sift(request.values(header))
        for one in found:
            if not one.is_digest or one.username != username:
                continue
            try:
                response = digest_response(
                    algorithm=one.algorithm,
                    username=username,
                    realm=one.realm,
                    password=password,
                    method=request.method,
                    uri=one.uri,
                    nonce=one.nonce,
                    nc=one.nc,
                    cnonce=one.cnonce,
                    qop=one.qop,
                    body=request.body.encode("utf-8", "surrogateescape"),
                )
            except (SIPPartyError, ParseError):
                continue
            if compare_digest(response.encode(), one.response.lower().encode("utf-8", "replace")):
                return True
    return False
