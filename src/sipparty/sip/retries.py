"""What a final response asks of its request: whether it is sent again, and how (RFC 3261 §8.1.3).

    POLICIES            a policy for each status that has one
    policy(...)         a `Retry`, or None where the response is the outcome

Laws:

* A policy is asked only where what it returns will be done.
* A request is never changed into what it was already, so no server has the same one twice.
* What cannot be read in a response asks for nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sipparty.errors import SIPPartyError
from sipparty.records import Record
from sipparty.sip.message import Request, Response
from sipparty.sip.multipart import Multipart
from sipparty.sip.routing import NextHop

if TYPE_CHECKING:
    from sipparty.sip.client_request import ClientRequest

__all__ = ["POLICIES", "Edit", "Policy", "Retry", "later", "leading_number", "retry_after"]

#: A change of a request before it is sent; False where there was nothing to change.
Edit = Callable[[Request], bool]

#: What a response with some status asks for.
Policy = Callable[["ClientRequest", Response], "Retry | None"]


class Retry(Record):
    """How a request is sent again: by default at once, by the same flow, with the next CSeq.

    Args:
        seconds: After how long. Its next hop is located anew then.
        edit: What is changed in this attempt and those that follow.
        target: The Request-URI that a redirection names; None for the one that it has.
        next_hop: Where that goes first; None for where the request went before.
        next_server: Whether it is the same request, CSeq and all, for the next server of its next
            hop (RFC 3263 §4.3).
    """

    seconds: float = 0.0
    edit: Edit | None = None
    target: str | None = None
    next_hop: NextHop | None = None
    next_server: bool = False


def retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After (RFC 3261 §20.33); None where there is none to read."""
    return leading_number(response._text("retry-after"))


def leading_number(text: str | None) -> float | None:
    """Return the digits that a text begins with, 2**32 - 1 at the most; None where it has none."""
    text = (text or "").strip()
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return min(float(digits), 2.0**32 - 1) if digits else None


def later(request: ClientRequest, response: Response) -> Retry | None:
    """Wait as long as the server asks for, where the user agent has the time."""
    seconds = retry_after(response)
    most = 0.0 if request.agent is None else request.agent.retry_wait
    if seconds is None or not 0 < most >= seconds:
        return None
    return Retry(max(seconds, 1.0))


def _edited(request: ClientRequest, edit: Edit) -> Retry | None:
    """Send the request changed, where that changes it."""
    try:
        changed = request.request is not None and edit(request.request.copy())
    except (SIPPartyError, zlib.error):
        return None
    return Retry(edit=edit) if changed else None


# -------------------------------------------------------------------- the policies


def _authorize(request: ClientRequest, response: Response) -> Retry | None:
    """401 and 407: send credentials (§22.2, §22.3)."""
    if request.authorization is None:
        return None
    request.authorization.answer(response)
    return Retry()


def _unavailable(request: ClientRequest, response: Response) -> Retry | None:
    """503: go to the next server (RFC 3263 §4.3), or wait for this one (§21.5.4)."""
    return Retry(next_server=True) if request.has_next_server() else later(request, response)


def _too_large(request: ClientRequest, response: Response) -> Retry | None:
    """413: wait (§21.4.11), or leave out of the body what may be (§8.1.3.5)."""
    return later(request, response) or _edited(request, lambda made: _keep_parts(made, None))


def _unsupported_type(request: ClientRequest, response: Response) -> Retry | None:
    """415: send what is accepted, where there is a choice (§8.1.3.5, §21.4.13)."""
    encodings = (response._text("accept-encoding") or "gzip").lower()

    def edit(made: Request) -> bool:
        changed = False
        if "gzip" not in encodings and made._text("content-encoding") == "gzip":
            del made["Content-Encoding"]
            made.body = zlib.decompress(made.body, 47)
            changed = True
        return _keep_parts(made, response) or changed

    return _edited(request, edit)


def _keep_parts(request: Request, response: Response | None) -> bool:
    """Leave out of a body of several parts those that a 415 does not accept, or all that are
    optional; nothing where one is required (RFC 5621 §8.4).
    """
    if not request.is_multipart:
        return False

    def accepts(kind: str) -> bool:
        assert response is not None
        return any(one.covers(kind) for one in response["Accept"])

    parts = request.parts
    if response is None:
        kept = [part for part in parts if part.handling != "optional"]
        alone = len(kept) == 1
    elif "Accept" in response:
        kept = [part for part in parts if accepts(part.media_type)]
        alone = not accepts(request.media_type)
    else:
        return False
    if alone:
        kept = ([part for part in kept if part.handling != "optional"] or kept)[:1]
    if not kept or any(part.handling != "optional" and part not in kept for part in parts):
        return False
    if alone:
        request["Content-Type"] = kept[0]["Content-Type"]
        request.body = kept[0].body
    elif len(kept) < len(parts):
        request.body = Multipart(kept)
    else:
        return False
    return True


def _unsupported_scheme(request: ClientRequest, response: Response) -> Retry | None:
    """416: a telephone number goes as a SIP URI (§8.1.3.5, §19.1.6); `sips:` never as `sip:`."""
    uri = "" if request.request is None else request.request.uri_text
    if uri[:4].lower() != "tel:" or request.agent is None:
        return None

    def edit(made: Request) -> bool:
        made.uri = f"sip:{uri[4:]}@{request.agent.host};user=phone"
        return True

    return _edited(request, edit)


def _bad_extension(request: ClientRequest, response: Response) -> Retry | None:
    """420: leave out what is not supported (§8.1.3.5), but for what the request would be another
    without: a call that is to replace one would ring as a further one (RFC 3891 §6.2), one to
    who supports 100rel alone would be one to anybody.
    """
    unknown = {
        tag.strip().lower()
        for line in response.lines("Unsupported")
        for tag in line.split(",")
        if tag.strip()
    }
    made = request.request
    if made is not None and made.method == "INVITE":
        reliable = getattr(request.agent, "reliable_provisionals", "") == "required"
        if ("replaces" in unknown and "Replaces" in made) or ("100rel" in unknown and reliable):
            return None

    def edit(made: Request) -> bool:
        changed = False
        for name in ("Require", "Proxy-Require"):
            tags = [tag.strip() for line in made.lines(name) for tag in line.split(",")]
            kept = [tag for tag in tags if tag.lower() not in unknown]
            if len(kept) < len(tags):
                changed = True
                del made[name]
                if kept:
                    made.add(name, ", ".join(kept))
        return changed

    return _edited(request, edit)


def _raise_interval(asked: str, *names: str) -> Policy:
    """Return the policy of a response that says what an interval is at least: each field of these
    names that says less says that, what follows its number kept.
    """

    def policy(request: ClientRequest, response: Response) -> Retry | None:
        least = leading_number(response._text(asked))
        if least is None:
            return None

        def edit(made: Request) -> bool:
            changed = False
            for name in names:
                text = made._text(name.lower())
                seconds = leading_number(text)
                if text is not None and seconds is not None and seconds < least:
                    made[name] = f"{least:.0f}{text.strip().lstrip('0123456789')}"
                    changed = True
            if changed and asked == "min-se":
                made["Min-SE"] = f"{least:.0f}"  # RFC 4028 §7.4
                request.min_se = max(request.min_se, int(least))
            return changed

        return _edited(request, edit)

    return policy


def _redirect(request: ClientRequest, response: Response) -> Retry | None:
    """300, 301, 302: have more targets (§8.1.3.4), of which one is next where nothing else is."""
    request.add_targets(response)
    return None


#: The policies by status. What is not here is the outcome: 305 names a proxy for everything, 380
#: another service (§21.3.4, §21.3.5), which the user has to choose.
POLICIES: Mapping[int, Policy] = {
    300: _redirect,
    301: _redirect,
    302: _redirect,
    401: _authorize,
    407: _authorize,
    413: _too_large,
    415: _unsupported_type,
    416: _unsupported_scheme,
    420: _bad_extension,
    422: _raise_interval("min-se", "Session-Expires"),
    423: _raise_interval("min-expires", "Expires"),
    503: _unavailable,
}
