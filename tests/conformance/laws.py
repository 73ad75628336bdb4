"""What holds of every message that the party sends, whichever probe it is for.

Each law is a row: its clause, and a function that returns what is wrong, or "".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .message import Message, parameter, uri_of

__all__ = ["check_ack", "check_cancel", "check_request", "check_response"]

_ONCE = ("from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type")
_OF_REQUESTS = ("via", "from", "to", "call-id", "cseq", "max-forwards")

ResponseLaw = Callable[[Message, Message], str]
RequestLaw = Callable[[Message], str]


def _same(name: str) -> ResponseLaw:
    def check(request: Message, response: Message) -> str:
        asked, said = request.all(name), response.all(name)
        if len(asked) != 1 or _plain(asked[0]) == _plain("".join(said)):
            return ""
        return f"{name} is {said}, where the request has {asked}"

    return check


def _plain(value: str) -> str:
    """The value with white space as it may come back."""
    return re.sub(r"\s*([;:/=])\s*", r"\1", re.sub(r"\s+", " ", value))


def _vias(request: Message, response: Message) -> str:
    asked, said = request.elements("via"), response.elements("via")
    if len(asked) != len(said) or asked[1:] != said[1:]:
        return f"Via is {said}, where the request has {asked}"
    if not asked:
        return ""
    sent_by = _plain(asked[0].partition(";")[0]).rstrip()
    if _plain(said[0].partition(";")[0]).rstrip().lower() != sent_by.lower():
        return f"the top Via is {said[0]!r}, where the request has {asked[0]!r}"
    for one in re.findall(r";\s*([^;=\s]+)(?:\s*=\s*([^;\s]*))?", asked[0]):
        name, value = one
        if name.lower() not in ("rport", "received") and (parameter(said[0], name) != value):
            return f"the top Via lost {name} of {asked[0]!r}: {said[0]!r}"
    return ""


def _to(request: Message, response: Message) -> str:
    asked, said = request.all("to"), response.all("to")
    if len(asked) == 1 and asked[0].count('"') % 2:
        return ""  # nothing can be added to what has no end
    if len(asked) != 1 or len(said) != 1:
        return "" if len(asked) != 1 else f"To is {said}"
    if parameter(asked[0], "tag"):
        return "" if _plain(asked[0]) == _plain(said[0]) else f"To {said[0]!r} is not {asked[0]!r}"
    if not _plain(said[0]).startswith(_plain(asked[0])):
        return f"To {said[0]!r} does not begin with {asked[0]!r}"
    if response.status > 100 and not parameter(said[0], "tag"):
        return f"To {said[0]!r} has no tag"
    return ""


def _needs(status: int, *names: str) -> ResponseLaw:
    def check(request: Message, response: Message) -> str:
        if response.status != status or any(response.all(name) for name in names):
            return ""
        return f"a {status} has none of {names}"

    return check


def _dialog(request: Message, response: Message) -> str:
    if request.method != "INVITE" or not 100 < response.status < 300:
        return ""
    if request.elements("record-route") != response.elements("record-route"):
        return f"Record-Route is {response.elements('record-route')}"
    contacts = response.elements("contact")
    if len(contacts) != 1 or not uri_of(contacts[0]).startswith(("sip:", "sips:")):
        return f"Contact is {contacts}"
    return ""


def _once(request: Message, response: Message) -> str:
    # What came twice may come back twice.
    twice = [name for name in _ONCE if len(response.all(name)) > max(1, len(request.all(name)))]
    return f"there are several of {twice}" if twice else ""


def _typed(request: Message, response: Message) -> str:
    return (
        "a body has no Content-Type" if response.body and not response.get("content-type") else ""
    )


#: The lines of a description in order, up to its first m= (RFC 8866 §9).
_SESSION = re.compile(
    r"v=0\n(o=\S+ \d+ \d+ IN IP[46] \S+\n)s=.+\n(i=.*\n)?(u=.*\n)?(e=.*\n)*"
    r"(p=.*\n)*(c=IN IP[46] \S+\n)?(b=.*\n)*(t=\d+ \d+\n(r=.*\n)*)+(z=.*\n)?"
    r"(k=.*\n)?(a=.+\n)*"
)
_MEDIA = re.compile(
    r"m=\S+ \d+(/\d+)? \S+( \S+)+\n(i=.*\n)?(c=IN IP[46] \S+\n)*(b=.*\n)*(k=.*\n)?"
    r"(a=.+\n)*"
)
#: What may be answered to each direction (RFC 3264 §6.1).
_DIRECTIONS = {
    "sendrecv": {"sendrecv", "sendonly", "recvonly", "inactive"},
    "sendonly": {"recvonly", "inactive"},
    "recvonly": {"sendonly", "inactive"},
    "inactive": {"inactive"},
}


def _is_described(message: Message) -> bool:
    return bool(message.body) and message.get("content-type").lower() == "application/sdp"


def _description(message: Message) -> str:
    """What is wrong with the session description that a message has."""
    if not _is_described(message):
        return ""
    text = message.body.decode()
    if not text.endswith("\r\n") or "\n" in text.replace("\r\n", ""):
        return "a line does not end in CRLF"
    session, *media = re.split(r"(?m)^(?=m=)", text.replace("\r\n", "\n"))
    wrong = [one for one in media if not _MEDIA.fullmatch(one)]
    if not _SESSION.fullmatch(session) or wrong:
        return f"{wrong or session!r} is not of the grammar"
    if "\nc=" not in session and not all("\nc=" in one for one in media):
        return "a stream has no address"
    return ""


def _media(text: str) -> tuple[str, list[tuple[list[str], str]]]:
    """The t= lines of a description; the m= line of each stream, and its direction."""
    session, *media = re.split(r"(?m)^(?=m=)", re.sub(r"\r\n?", "\n", text))
    found = re.findall(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)$", session)
    common = found[-1] if found else "sendrecv"
    streams = []
    for one in media:
        own = re.findall(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)$", one)
        streams.append((one.split("\n")[0][2:].split(), own[-1] if own else common))
    return "".join(re.findall(r"(?m)^t=.*$", session)), streams


def _answer(request: Message, response: Message) -> str:
    """What is wrong with an answer in a 2xx, beside the offer in its INVITE."""
    asked = request.get("content-type").lower() == "application/sdp" and request.body
    if not asked or not _is_described(response) or request.method != "INVITE":
        return ""
    (offered_time, offered), (time, answered) = (
        _media(request.body.decode("utf-8", "replace")),
        _media(response.body.decode()),
    )
    if offered_time != time:
        return f"t= is {time!r} where the offer has {offered_time!r}"
    if [(one[0][0], one[0][2].lower()) for one in offered] != [
        (one[0][0], one[0][2].lower()) for one in answered
    ]:
        return f"the streams {answered} are not those of the offer"
    for (line, wanted), (said, direction) in zip(offered, answered, strict=True):
        if line[1].partition("/")[0] == "0" and said[1] != "0":
            return f"{' '.join(said)} takes a stream that was offered with port 0"
        if said[1] != "0" and not set(said[3:]) <= set(line[3:]):
            return f"{' '.join(said)} has formats that were not offered"
        if said[1] != "0" and direction not in _DIRECTIONS[wanted]:
            return f"{direction} answers {wanted}"
    return ""


_RESPONSES: tuple[tuple[str, ResponseLaw], ...] = (
    ("RFC 3261 §8.2.6.2: Via as in the request", _vias),
    ("RFC 3261 §8.2.6.2: From as in the request", _same("from")),
    ("RFC 3261 §8.2.6.2: Call-ID as in the request", _same("call-id")),
    ("RFC 3261 §8.2.6.2: CSeq as in the request", _same("cseq")),
    ("RFC 3261 §8.2.6.2: To as in the request, with a tag", _to),
    ("RFC 3261 §7.3.1: one of each", _once),
    ("RFC 3261 §7.4.1: a body has a type", _typed),
    ("RFC 3261 §12.1.1: Record-Route copied, one Contact", _dialog),
    ("RFC 8866 §5: a description is well formed", lambda _, response: _description(response)),
    ("RFC 3264 §6: the answer fits the offer", _answer),
    ("RFC 3261 §21.4.6: 405 with Allow", _needs(405, "allow")),
    ("RFC 3261 §21.4.13: 415 with what is accepted", _needs(415, "accept", "accept-encoding")),
    ("RFC 3261 §21.4.15: 420 with Unsupported", _needs(420, "unsupported")),
    ("RFC 3261 §21.4.2: 401 with a challenge", _needs(401, "www-authenticate")),
)


def check_response(request: Message, response: Message) -> None:
    """Check a response of the party's to a request of ours.

    Args:
        request: What we sent; of what it lacks nothing is asked.
        response: What came.
    """
    for clause, law in _RESPONSES:
        wrong = law(request, response)
        assert not wrong, f"{clause}: {wrong}"


def _mandatory(request: Message) -> str:
    missing = [name for name in _OF_REQUESTS if not request.get(name)]
    return f"{missing} are missing" if missing else ""


def _single(request: Message) -> str:
    twice = [name for name in _ONCE if len(request.all(name)) > 1]
    return f"there are several of {twice}" if twice else ""


def _one_via(request: Message) -> str:
    vias = request.elements("via")
    if len(vias) != 1 or not request.branch.startswith("z9hG4bK") or len(request.branch) < 9:
        return f"Via is {vias}"
    return "" if parameter(vias[0], "rport") is not None else f"{vias[0]!r} asks for no rport"


def _sequence(request: Message) -> str:
    number, _, method = request.get("cseq").partition(" ")
    right = method == request.method and number.isdigit() and int(number) < 2**31
    return "" if right else f"CSeq is {request.get('cseq')!r} of {request.method}"


def _from_tag(request: Message) -> str:
    return "" if parameter(request.get("from"), "tag") else "From has no tag"


def _hops(request: Message) -> str:
    return "" if request.get("max-forwards") == "70" else "Max-Forwards is not 70"


def _contact(request: Message) -> str:
    if request.method not in ("INVITE", "SUBSCRIBE", "REFER", "UPDATE"):
        return ""
    contacts = request.elements("contact")
    right = len(contacts) == 1 and re.match("sips?:", uri_of(contacts[0]))
    return "" if right else f"Contact is {contacts}"


def _uri(request: Message) -> str:
    wrong = re.search(r"\?|;method=", request.uri) or not re.match("sips?:", request.uri)
    return f"{request.uri!r} may not be a Request-URI" if wrong else ""


_REQUESTS: tuple[tuple[str, RequestLaw], ...] = (
    ("RFC 3261 §8.1.1: what every request has", _mandatory),
    ("RFC 3261 §7.3.1: one of each", _single),
    ("RFC 3261 §8.1.1.7, RFC 3581 §3: one Via, with the cookie and rport", _one_via),
    ("RFC 3261 §8.1.1.5: CSeq names the method, below 2**31", _sequence),
    ("RFC 3261 §8.1.1.3: From has a tag", _from_tag),
    ("RFC 3261 §8.1.1.6: Max-Forwards is 70", _hops),
    ("RFC 3261 §8.1.1.8: one Contact where a dialog may be made", _contact),
    ("RFC 3261 §19.1.1, Table 1: no headers, no method", _uri),
    ("RFC 8866 §5: a description is well formed", _description),
)


def check_request(request: Message) -> None:
    """Check a request of the party's."""
    for clause, law in _REQUESTS:
        wrong = law(request)
        assert not wrong, f"{clause}: {wrong}"


def check_ack(ack: Message, invite: Message, response: Message) -> None:
    """Check an ACK of the party's against its INVITE and the final response that we gave."""
    assert ack.number == invite.number, "RFC 3261 §17.1.1.3, §13.2.2.4: the CSeq is the INVITE's"
    for name in ("call-id", "from"):
        assert ack.get(name) == invite.get(name), f"RFC 3261 §17.1.1.3: {name} is the INVITE's"
    assert ack.get("to") == response.get("to"), "RFC 3261 §17.1.1.3: To is the response's"
    if response.status < 300:
        assert ack.branch != invite.branch, "RFC 3261 §17: the ACK for a 2xx is no part of it"
        return
    assert ack.via == invite.via, "RFC 3261 §17.1.1.3: the Via is the INVITE's top one"
    assert ack.uri == invite.uri, "RFC 3261 §17.1.1.3: the Request-URI is the INVITE's"
    assert ack.all("route") == invite.all("route"), "RFC 3261 §17.1.1.3: Route is the INVITE's"
    assert not ack.body, "RFC 3261 §17.1.1.3: there is no body"


def check_cancel(cancel: Message, invite: Message) -> None:
    """Check a CANCEL of the party's against the INVITE that it is for (RFC 3261 §9.1)."""
    for name in ("call-id", "from", "to", "route"):
        assert cancel.all(name) == invite.all(name), f"§9.1: {name} is the INVITE's"
    assert cancel.uri == invite.uri, "§9.1: the Request-URI is the INVITE's"
    assert cancel.via == invite.via, "§9.1: the Via is the INVITE's top one"
    assert cancel.number == invite.number, "§9.1: the CSeq number is the INVITE's"
    assert not cancel.all("require"), "§9.1: there is no Require"
    assert not cancel.all("proxy-require"), "§9.1: there is no Proxy-Require"
