"""SIP messages explained, line by line (RFC 3261)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from sipparty.errors import ParseError
from sipparty.explain.description import explain_description
from sipparty.explain.headers import header_meaning, method_meaning, status_meaning
from sipparty.explain.lines import Explanation, Fault, Line
from sipparty.late import late_pattern
from sipparty.sip import Message, Request, Response
from sipparty.sip.headers import header_key
from sipparty.sip.validation import findings

__all__ = ["explain"]

_START: Final = late_pattern(r"SIP/\S*\s+(?P<status>\d{3})\b|(?P<method>\S+)\s+\S+\s+SIP/", re.I)


def explain(data: bytes) -> Explanation:
    """Explain a SIP message; of any bytes, as far as they go.

    Args:
        data: The message, well-formed or not. Lines may end in LF alone, as those of a file do.

    Returns:
        Its lines, what each says, and what is wrong; the lines of a session description in its
        body too. What is missing is a line of number 0.
    """
    data = data.lstrip(b"\r\n")
    if not data.strip():
        fault = Fault("there is no text")
        return Explanation("no SIP message", (Line(0, "", faults=(fault,)),))
    head, end, body = _split(data)
    rows = _rows(head)
    try:
        message: Message | None = Message.parse(data if end else data + b"\r\n\r\n")
        error: ParseError | None = None
    except ParseError as found:
        message, error = None, found
    lines = [_start_line(rows[0][1])] if rows else []
    lines += [_header_line(number, text) for number, text in rows[1:]]
    missing: list[Line] = []
    if error is not None:
        _blame(lines, missing, error, data)
    else:
        assert message is not None
        _judge(lines, missing, message)
    if not end and rows:
        fault = Fault("the empty line that ends the head is missing", None)
        missing.append(
            Line(0, "", "The headers end with an empty line.", "RFC 3261 §7", (), (fault,))
        )
    first = head.count(b"\n") + 3
    lines += missing + _body(body, lines, first)
    kind = {Request: "a request", Response: "a response"}.get(type(message))
    return Explanation(kind or _guess(rows), tuple(lines))


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The head, the empty line after it as it is written, and the body."""
    found = re.search(rb"\r?\n\r?\n", data)
    if found is None:
        return data.rstrip(b"\r\n"), b"", b""
    return data[: found.start()], found[0], data[found.end() :]


def _rows(head: bytes) -> list[tuple[int, str]]:
    """The lines of a head with their numbers; what is folded is one line."""
    rows: list[tuple[int, str]] = []
    for number, row in enumerate(head.decode("utf-8", "replace").split("\n"), 1):
        text = row.removesuffix("\r")
        if number > 1 and text[:1] in (" ", "\t") and rows:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {text.strip()}")
        else:
            rows.append((number, text))
    return rows


def _guess(rows: list[tuple[int, str]]) -> str:
    found = _START.match(rows[0][1]) if rows else None
    if found is None:
        return "no SIP message"
    return "a broken response" if found["status"] else "a broken request"


def _start_line(text: str) -> Line:
    found = _START.match(text)
    if found is None:
        return Line(1, text)
    if found["status"]:
        status = int(found["status"])
        words, source = status_meaning(status)
        return Line(
            1,
            text,
            "A response." if words else "",
            source,
            (f"{status}: {words}",) if words else (),
        )
    method = found["method"]
    words, source = method_meaning(method)
    details = (
        (f"{method} {words}",) if words else (f"{method} is not a method of an RFC known here",)
    )
    return Line(1, text, "A request: the method, where it goes now, the version.", source, details)


@lru_cache(maxsize=4096)  # the lines of a call repeat
def _header_line(number: int, text: str) -> Line:
    name, colon, value = text.partition(":")
    if not colon:
        return Line(number, text)
    name = name.strip()
    meaning, source = header_meaning(name)
    details: tuple[str, ...] = ()
    key = header_key(name)
    describe = _DETAILS.get(key)
    if describe is not None:
        details = tuple(_described(key, value.strip(), describe))
    if not meaning:
        meaning = "A header that no RFC known here defines."
    return Line(number, text, meaning, source, details)


def _described(key: str, value: str, describe: Callable[[Any], list[str]]) -> list[str]:
    """What a header says, of its values as they are read; nothing where they cannot be."""
    single = Request("OPTIONS", "sip:nobody@nowhere.invalid")
    try:
        single.add(key, value)
        return [text for each in single.all(key) for text in describe(each)]
    except (ParseError, ValueError, AttributeError):
        return []


def _via(via: Any) -> list[str]:
    found = [f"sent by {via.transport} from {via.sent_by}"]
    parameters = via.parameters
    if via.received:
        found.append(f"came from the address {via.received}, as the receiver saw")
    if "rport" in parameters:
        port = parameters["rport"]
        found.append(
            f"came from port {port} (RFC 3581)"
            if port
            else "wants the answer at the port it came from (RFC 3581)"
        )
    if via.branch and not via.branch.lower().startswith("z9hg4bk"):
        found.append("the branch is of RFC 2543, and so does not name the transaction by itself")
    return found


def _address(value: Any) -> list[str]:
    if value.is_wildcard:
        return ["all contacts of the address, to be removed (RFC 3261 §10.2.2)"]
    name = f"{value.display_name}, " if value.display_name else ""
    return [f"address: {name}{value.uri_text}"]


def _from(value: Any) -> list[str]:
    return [*_address(value), "with a tag" if value.tag else "without a tag, as RFC 2543 had it"]


def _to(value: Any) -> list[str]:
    return [*_address(value), "with a tag" if value.tag else "without a tag: no dialog yet"]


def _contact(value: Any) -> list[str]:
    found = _address(value)
    parameters = value.parameters
    if parameters.get("expires"):
        found.append(f"for {parameters['expires']} s")
    if parameters.get("q"):
        found.append(f"preference {parameters['q']} (1 is the most)")
    return found


def _route(value: Any) -> list[str]:
    loose = (
        "lr" in {name.lower() for name in value.uri.parameters} if value.uri is not None else False
    )
    return [*_address(value), "loose" if loose else "strict: without lr, as RFC 2543 had it"]


def _credentials(value: Any) -> list[str]:
    found = [str(value.scheme)]
    parameters = {name.lower(): text for name, text in value.parameters.items()}
    for name, words in (("username", "user"), ("realm", "realm"), ("algorithm", "algorithm")):
        if parameters.get(name):
            found.append(f"{words} {parameters[name]}".replace('"', ""))
    if not parameters.get("algorithm"):
        found.append("algorithm MD5, as none is named")
    if str(parameters.get("stale", "")).strip('"').lower() == "true":
        found.append("stale: the password was right, the nonce is too old")
    return found


def _seconds(value: Any) -> list[str]:
    seconds = int(value)
    if not seconds:
        return ["at once: ends what there is, or asks for the state of now"]
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return [" ".join(f"{number} {unit}" for number, unit in parts if number)]


_DETAILS: Final[dict[str, Callable[[Any], list[str]]]] = {
    "via": _via,
    "from": _from,
    "to": _to,
    "contact": _contact,
    "route": _route,
    "record-route": _route,
    "path": _route,
    "service-route": _route,
    "refer-to": _address,
    "p-asserted-identity": _address,
    "expires": _seconds,
    "min-expires": _seconds,
    "session-expires": _seconds,
    "authorization": _credentials,
    "proxy-authorization": _credentials,
    "www-authenticate": _credentials,
    "proxy-authenticate": _credentials,
}


def _blame(lines: list[Line], missing: list[Line], error: ParseError, data: bytes) -> None:
    """Put what keeps the bytes from being a message into the line that it is in."""
    what = f"expected {error.expected}"
    text = error.text
    if isinstance(text, bytes):
        missing.append(Line(0, "", faults=(Fault(what),)))
        return
    for index, line in enumerate(lines):
        value = line.text.partition(":")[2]
        if text == line.text or (
            text and text in value and error.what.lower() in line.text.lower()
        ):
            column = line.text.find(text) + (error.position or 0)
            _add(lines, index, Fault(what, min(column, len(line.text))))
            return
    missing.append(Line(0, "", faults=(Fault(f"{error.what}: {what}"),)))


def _judge(lines: list[Line], missing: list[Line], message: Message) -> None:
    """Put what is amiss in a message into its lines."""
    for found in findings(message):
        severe = found.status != 0
        if found.header in ("Request-URI", "SIP-Version"):
            _add(lines, 0, Fault(found.what, None, severe))
            continue
        key = header_key(found.header)
        index = next(
            (
                i
                for i, line in enumerate(lines[1:], 1)
                if header_key(line.text.partition(":")[0].strip()) == key
            ),
            None,
        )
        if index is None:
            meaning, source = header_meaning(found.header)
            missing.append(Line(0, "", meaning, source, (), (Fault(found.what, None, severe),)))
            continue
        _add(lines, index, Fault(found.what, _column(lines[index].text, key, message), severe))


def _column(line: str, key: str, message: Message) -> int | None:
    """Where the value of a header fails to be read."""
    try:
        for value in message.all(key):
            getattr(value, "uri", None)
    except ParseError as error:
        if error.position is not None and isinstance(error.text, str) and error.text in line:
            return line.find(error.text) + error.position
    return None


def _add(lines: list[Line], index: int, fault: Fault) -> None:
    lines[index] = lines[index]._replace(faults=(*lines[index].faults, fault))


def _body(body: bytes, lines: list[Line], first: int) -> list[Line]:
    """The lines of the body, where it is a session description; else how long it is."""
    if not body.strip():
        return []
    kinds = [
        value.strip().lower()
        for name, _, value in (line.text.partition(":") for line in lines)
        if header_key(name.strip()) == "content-type"
    ]
    if any(kind.startswith("application/sdp") for kind in kinds) or (
        not kinds and body.startswith(b"v=0")
    ):
        return list(explain_description(body, first=first).lines)
    return [Line(first, f"({len(body)} bytes of body)", "The body.", "RFC 3261 §7.4")]
